"""Texts that tell of a machine or its user: paths, addresses, ids, variables, tokens.

Names of layers and kernels must not be taken for them: `/layer1/layer1.0/conv1/Conv` is no path, `580.159.04` no
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ROOTS = "home|Users|root|mnt|media|srv|tmp|var|opt|usr|etc|data|work|workspace|workdir|scratch|export|nfs|lustre|gpfs"
_ADDRESS = r"(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}"  # RFC 1918: of a network at home
_ID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_VARIABLES = r"HOME|USER|USERNAME|LOGNAME|PWD|HOSTNAME|HOST|[A-Z_]*PATH|SSH_\w+|AWS_\w+"
_SECRETS = r"\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIALS?)"
_TOKENS = r"gh[opsu]_\w{20,}|AKIA[0-9A-Z]{16}|hf_\w{20,}|sk-[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}|-----BEGIN [A-Z ]+KEY"

PATH = re.compile(
    rf"(?<![\w.>)/\\])(?:/(?:{_ROOTS})|[A-Za-z]:[\\/]+(?:Users|Windows|Program[^\\/]*))(?:[\\/]+[^\s\\/:;,'\"]+)+"
)
_KINDS = (
    ("token", re.compile(rf"(?<!\w)(?:{_TOKENS})")),
    ("environment", re.compile(rf"(?<!\w)(?:(?:{_VARIABLES})=[^=]|(?i:{_SECRETS})\s?=\s?[^\s=])")),
    ("path", PATH),
    ("user", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]+)*")),
    ("uuid", re.compile(rf"(?<![\w-]){_ID}(?![\w-])")),
    ("host", re.compile(rf"(?<![\w.]){_ADDRESS}(?![\w.])")),
    (
        "host",
        re.compile(
            r"(?<![\w.-])[\w-]{1,64}(?:\.[\w-]{1,64}){0,8}\.(?:local|localdomain|internal|intranet|lan|corp)(?![\w.])"
        ),
    ),
)
_KNOWN = re.compile(r"(?:^|[\0\n;])\s*(?:export )?(?:HOSTNAME|HOST|USER|USERNAME|LOGNAME)=([^\0\n;]{3,64})", re.M)
_COMMON = frozenset(
    {"root", "user", "users", "home", "host", "admin", "local", "localhost", "ubuntu", "nvidia", "none"}
)
LONGEST = 100_000  # characters of one text that are looked at; a longer one is told by its length

# What the name of a column or a property says of its values, for those that an analyzer needs not.
_BY_NAME = (
    ("environment", re.compile(r"environ|_ENV_", re.I)),
    ("command line", re.compile(r"command|cmd_?line|argument|(?:^|[_.])args?(?:$|_)|application", re.I)),
    ("host", re.compile(r"host|domain_?name|ip_?addr|mac_?addr|devStateName|DEVICE_ID", re.I)),
    ("user", re.compile(r"(?:^|[_.])user|login|account", re.I)),
    ("uuid", re.compile(r"uuid|luid|guid|serial", re.I)),
    ("bus address", re.compile(r"bus_?(?:location|id)|pci", re.I)),
    ("local time", re.compile(r"local_?time|time_?local|time_?zone", re.I)),
    ("path", re.compile(r"(?:^|[_.])(?:\w*path|(?:working_?)?dir(?:ectory)?|file(?:name)?|module|image)(?:$|_)", re.I)),
)
_BY_TABLE = {"ThreadNames": "thread name", "PROCESSES": "process name", "PROCESS_STREAMS": "process name"}
# Settings that tell of nothing: switches, numbers, and the exporter's own words for "this machine" and "no address".
_HARMLESS = re.compile(r"true|false|-?\d+(?:\.\d+)?|Local \(CLI\)|(?:0000)?0000:00:00\.0", re.I)
OTHER = "other text"


def kind_of(text: str, machine: re.Pattern[str] | None = None) -> str | None:
    """What a text gives away, if anything; `machine` finds the words that this export itself calls its host or user."""
    if len(text) > LONGEST:
        return "long text"
    kind = next((kind for kind, pattern in _KINDS if pattern.search(text)), None)
    return kind or ("host" if machine is not None and machine.search(text) else None)


def kind_by_name(table: str, name: str) -> str:
    """What the values of a table's column or property give away, as its name says."""
    return _BY_TABLE.get(table) or next((kind for kind, pattern in _BY_NAME if pattern.search(name)), OTHER)


def is_harmless(text: str) -> bool:
    """Whether the value of a setting tells of nothing, whatever the setting is."""
    return not text or _HARMLESS.fullmatch(text) is not None


def machine_words(texts: Iterable[str], names: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern that finds the user and host that environments (`texts`) and host properties (`names`) name."""
    words = {word.strip() for text in texts for word in _KNOWN.findall(text)}
    words |= {name.strip() for name in names if 3 <= len(name.strip()) <= 64}
    words = {word for word in words if word.lower() not in _COMMON and re.search(r"[^\W\d]", word)}
    if not words:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(words)))})(?!\w)")


def without_folders(text: str) -> str:
    """The text with every path cut to its last part: `load /home/me/net.onnx` is `load net.onnx`."""
    return PATH.sub(lambda path: re.split(r"[\\/]+", path[0])[-1], text)
