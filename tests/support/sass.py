"""Machine code of our own (tests/sources/code), and the programs that read it."""

from __future__ import annotations

import pytest

from tcscope.errors import TraceError
from tcscope.sources.sass import find_tools
from tests.support.places import REPOSITORY

CODE = REPOSITORY / "tests" / "sources" / "code"
FATBIN = CODE / "kernels.fatbin"
LISTING = CODE / "kernels.sass.txt"


def have_tools() -> bool:
    """Whether machine code can be read here, with names that people read."""
    try:
        return find_tools().demangler is not None
    except TraceError:
        return False


needs_cuobjdump = pytest.mark.skipif(not have_tools(), reason="there is no cuobjdump, or no c++filt, here")
