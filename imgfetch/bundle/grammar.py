"""The words of single options: text from a command line to values.

docker's grammars, strictly: what is not in them is an error and never guessed
(CVE-2024-9407 class). Mounts are in `imgfetch.bundle.mounts`, variables in
`imgfetch.bundle.environment`, users in `imgfetch.bundle.users`.
"""

from __future__ import annotations

from imgfetch.errors import InvalidOptionError
from imgfetch.fs.idmap import IdRange
from imgfetch.lean import re

_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)([bkmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_INTEGER_LIMIT = 2**63 - 1
# (uid_t)-1 is no id.
_ID_LIMIT = 2**32 - 1

# runc takes "-x" and crun "../x" for an id; a name is a directory's name too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
# sethostname(2) gives EINVAL above this.
_HOSTNAME_LIMIT = 64

_SIGNAL_COUNT = 64
_REAL_TIME_FIRST = 34
# signal(7), x86 and ARM (the numbers of mips and parisc differ; images run on neither).
_SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV"),
    *("USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN"),
    *("TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
)
_SIGNAL_NUMBERS = {
    **{name: number for number, name in enumerate(_SIGNALS, 1)},
    "IOT": 6,
    "CLD": 17,
    "POLL": 29,
}
_REAL_TIME = re.compile(r"(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,10}", re.ASCII)


def invalid(text: object, what: str, expected: str, hint: str | None = None) -> InvalidOptionError:
    """The error for an option's value outside its grammar."""
    return InvalidOptionError(f"invalid {what} {str(text)[:200]!r}", expected=expected, hint=hint)


def parse_decimal(text: str) -> int | None:
    """A decimal number in ASCII digits; None for anything else.

    ``int()`` takes ``1_000``, ``+1``, `` 1`` and other scripts' digits.
    """
    return int(text) if _DECIMAL.fullmatch(text) else None


def parse_size(text: str, what: str = "size") -> int:
    """A number of bytes, e.g. ``64m`` (binary units, as docker has it).

    Raises:
        InvalidOptionError: not a size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise invalid(text, what, "a number and one of b, k, m, g, t, p, e.g. 64m")
    number, unit = match[1], _UNITS[match[2].lower()]
    whole, _, fraction = number.partition(".")
    size = (int(whole) << unit) + (
        (int(fraction) << unit) // 10 ** len(fraction) if fraction else 0
    )
    if size > _INTEGER_LIMIT:
        raise invalid(text, what, "fewer than 2^63 bytes")
    return size


def parse_memory_swap(text: str) -> int:
    """A size, or ``-1`` for unlimited.

    Raises:
        InvalidOptionError: neither.
    """
    return -1 if text == "-1" else parse_size(text, "memory-swap")


def parse_name(text: str, what: str = "container name") -> str:
    """A container's name or id.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    if not _NAME.fullmatch(text):
        raise invalid(text, what, "1 to 64 of [A-Za-z0-9_.-], not beginning with _ . -")
    return text


def parse_hostname(text: str) -> str:
    """A host name.

    Raises:
        InvalidOptionError: outside RFC 1123, or longer than the kernel takes.
    """
    if len(text) > _HOSTNAME_LIMIT or not _HOSTNAME.fullmatch(text):
        raise invalid(text, "hostname", f"labels of [A-Za-z0-9-], {_HOSTNAME_LIMIT} characters")
    return text


def parse_signal(text: str, what: str = "signal") -> int:
    """A signal by number or name, with or without ``SIG``.

    Raises:
        InvalidOptionError: no such signal.
    """
    number = parse_decimal(text)
    if number is None:
        number = _signal_by_name(text.upper().removeprefix("SIG"))
    if number is None or not 1 <= number <= _SIGNAL_COUNT:
        raise invalid(text, what, "a signal's name or number, e.g. SIGTERM or 15")
    return number


def _signal_by_name(name: str) -> int | None:
    match = _REAL_TIME.fullmatch(name)
    if match is None:
        return _SIGNAL_NUMBERS.get(name)
    base = _REAL_TIME_FIRST if match[1] == "RTMIN" else _SIGNAL_COUNT
    offset = int(match[3] or 0)
    number = base - offset if match[2] == "-" else base + offset
    return number if _REAL_TIME_FIRST <= number <= _SIGNAL_COUNT else None


def parse_umask(text: str) -> int:
    """An octal mask, ``0`` to ``0777``.

    Raises:
        InvalidOptionError: not one.
    """
    if not re.fullmatch(r"0?[0-7]{1,3}", text, re.ASCII):
        raise invalid(text, "umask", "an octal number up to 0777")
    return int(text, 8)


def parse_label(text: str, what: str = "label") -> tuple[str, str]:
    """``KEY[=VALUE]``.

    Raises:
        InvalidOptionError: no key.
    """
    key, _, value = text.partition("=")
    if not key or key != key.strip() or "\0" in text:
        raise invalid(text, what, "KEY=VALUE")
    return key, value


def parse_cpus(text: str) -> float:
    """A number of processors, e.g. ``1.5``.

    Raises:
        InvalidOptionError: not a positive number.
    """
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,9})?", text, re.ASCII) or float(text) < 0.01:  # noqa: PLR2004 - the kernel's least quota, 1 ms of 100
        raise invalid(text, "cpus", "a number of processors from 0.01, e.g. 1.5")
    return float(text)


def parse_cpuset(text: str, what: str = "cpuset-cpus") -> str:
    """A list of processors or memory nodes, e.g. ``0-2,4``.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    ranges = [part.split("-") for part in text.split(",")]
    numbers = [[parse_decimal(word) for word in part] for part in ranges]
    for part in numbers:
        if len(part) > 2 or None in part or part != sorted(part, key=lambda n: n or 0):  # noqa: PLR2004 - FIRST-LAST
            raise invalid(text, what, "numbers and ranges, e.g. 0-2,4")
    return text


def parse_pids_limit(text: str) -> int:
    """A number of processes; ``-1`` (or docker's ``0``) for unlimited.

    Raises:
        InvalidOptionError: not one.
    """
    number = -1 if text == "-1" else parse_decimal(text)
    if number is None:
        raise invalid(text, "pids-limit", "a number, or -1 for unlimited")
    # runc 1.4 made a real limit of 0.
    return number or -1


def parse_id_range(text: str, what: str) -> IdRange:
    """``CONTAINER:HOST:SIZE``, a line of a user namespace's map.

    Raises:
        InvalidOptionError: outside the grammar, or beyond what ids there are.
    """
    numbers = [parse_decimal(word) for word in text.split(":")]
    match numbers:
        case [int(inside), int(outside), int(size)] if (
            size and max(inside, outside) + size <= _ID_LIMIT
        ):
            return IdRange(inside, outside, size)
    raise invalid(text, what, "CONTAINER:HOST:SIZE, e.g. 0:100000:65536")
