"""JSON files of trtexec and the engine inspector: one module a format."""

from tcscope.sources.trtexec.layers import read_layers, read_version
from tcscope.sources.trtexec.pair import EnginePair, looks_like_trtexec, open_pair, profile_beside
from tcscope.sources.trtexec.profile import Profile, ProfileRow, read_profile

__all__ = [
    "EnginePair",
    "Profile",
    "ProfileRow",
    "looks_like_trtexec",
    "open_pair",
    "profile_beside",
    "read_layers",
    "read_profile",
    "read_version",
]
