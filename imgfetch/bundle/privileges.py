"""The words of options about what a container may do.

docker's ``--cap-add``, ``--cap-drop``, ``--security-opt``, ``--sysctl`` and ``--ulimit``.
"""

from __future__ import annotations

from imgfetch.bundle.capabilities import ALL, CAPABILITIES
from imgfetch.bundle.grammar import invalid
from imgfetch.bundle.options import SecurityOptions, Ulimit
from imgfetch.bundle.resources import exceeds
from imgfetch.lean import re
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import Final

_RLIMITS: Final = frozenset(
    {
        *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice"),
        *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
    }
)
_SYSCTL: Final = re.compile(r"[a-z][a-z0-9_-]*(?:[./][A-Za-z0-9_-]+)+", re.ASCII)


def parse_capability(text: str, what: str = "capability") -> str:
    """A capability's name, with or without ``CAP_``, in any case; or ``ALL``.

    runc only warns of a name it does not know, so it is refused here.

    Raises:
        InvalidOptionError: no such capability.
    """
    name = text.upper()
    if name == ALL:
        return ALL
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if name not in CAPABILITIES:
        raise invalid(text, what, "a name of capabilities(7), e.g. NET_ADMIN, or ALL")
    return name


def parse_security_opt(security: SecurityOptions, text: str) -> SecurityOptions:
    """Take one ``--security-opt`` in.

    Returns:
        ``security`` with the option set.

    Raises:
        InvalidOptionError: not an option that is known here.
    """
    match = re.fullmatch(r"([a-z-]+)(?:[=:](.+))?", text, re.DOTALL)
    key, value = (match[1], match[2]) if match else ("", None)
    if key == "no-new-privileges" and value in {None, "true", "false"}:
        return replace(security, no_new_privileges=value != "false")
    if key == "seccomp" and value:
        return replace(security, seccomp=value)
    if key == "apparmor" and value:
        return replace(security, apparmor=value)
    if (key, value) == ("systempaths", "unconfined"):
        return replace(security, unmask=(ALL,))
    if key == "unmask" and value:
        paths = tuple(value.split(":"))
        if value.upper() != ALL and not all(path.startswith("/") for path in paths):
            raise invalid(text, "security option", "unmask=ALL or unmask=/PATH[:/PATH...]")
        return replace(security, unmask=(ALL,) if value.upper() == ALL else paths)
    if (key, value) == ("label", "disable"):
        return security
    expected = "seccomp=, apparmor=, no-new-privileges, unmask=, systempaths=unconfined"
    raise invalid(text, "security option", expected)


def parse_sysctl(text: str) -> tuple[str, str]:
    """``NAME=VALUE``; slashes in the name stand for dots as in sysctl(8).

    Raises:
        InvalidOptionError: outside the grammar.
    """
    name, equals, value = text.partition("=")
    if not equals or not _SYSCTL.fullmatch(name) or "\0" in value or "\n" in value:
        raise invalid(text, "sysctl", "NAME=VALUE, e.g. net.core.somaxconn=1024")
    return name.replace("/", "."), value


def parse_ulimit(text: str) -> Ulimit:
    """``NAME=SOFT[:HARD]``; ``-1`` or ``unlimited`` for no limit.

    Raises:
        InvalidOptionError: no such limit, or soft above hard.
    """
    name, equals, values = text.partition("=")
    words = values.split(":")
    numbers = [-1 if word in {"-1", "unlimited"} else _rlimit(word) for word in words]
    wrong = name not in _RLIMITS or not equals or None in numbers or len(numbers) > 2  # noqa: PLR2004 - SOFT:HARD
    if wrong:
        raise invalid(text, "ulimit", "NAME=SOFT[:HARD], e.g. nofile=1024:4096")
    soft, hard = int(numbers[0] or 0), int(numbers[-1] or 0)
    if exceeds(soft, hard):
        raise invalid(text, "ulimit", "a soft limit not above the hard one")
    return Ulimit(f"RLIMIT_{name.upper()}", soft, hard)


def _rlimit(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[0-9]{1,19}", word, re.ASCII) else None
