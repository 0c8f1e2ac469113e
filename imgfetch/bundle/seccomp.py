"""A seccomp profile in the format that docker and podman share becomes ``linux.seccomp``.

A profile has rules for all processors, kernels and capabilities; `resolve` keeps those
for one of each (moby's ``seccomp.LoadProfile``). The default profile,
``seccomp.json`` beside this module, allows what moby's default profile allows, so that
a program meets the same system calls under every tool. That takes well under a
millisecond, so nothing is cached.
"""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError
from imgfetch.lean import json
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = "default"
SYSTEM: Final = "system"
UNCONFINED: Final = "unconfined"

# containers.conf(5): the administrator's, then the distribution's.
SYSTEM_PROFILES: Final = ("/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json")
_PROFILE_LIMIT: Final = 1 << 20

# libseccomp's names, which profiles use, by Go's.
_NATIVE: Final = {"386": "x86", "loong64": "loongarch64", "mips64le": "mipsel64"}
_SCMP_ARCH: Final = {
    "amd64": "SCMP_ARCH_X86_64",
    "x86": "SCMP_ARCH_X86",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "mipsel64": "SCMP_ARCH_MIPSEL64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "s390x": "SCMP_ARCH_S390X",
    "riscv64": "SCMP_ARCH_RISCV64",
    "loongarch64": "SCMP_ARCH_LOONGARCH64",
}
# Profiles of podman name errors; the runtimes want numbers.
_ERRNOS: Final = {"EPERM": 1, "EINVAL": 22, "ENOSYS": 38, "EACCES": 13, "ENOTSUP": 95}
_TOP_LEVEL: Final = ("flags", "listenerPath", "listenerMetadata")
_DIGITS: Final = "0123456789"
_LONGEST: Final = 10


def read_profile(choice: str) -> bytes | None:
    """The profile that an option stands for.

    Args:
        choice: ``default``, ``system``, ``unconfined`` or a file's path.

    Returns:
        None for no confinement.

    Raises:
        InvalidOptionError: it can't be read.
    """
    if choice == UNCONFINED:
        return None
    paths = {DEFAULT: (_default_path(),), SYSTEM: SYSTEM_PROFILES}.get(choice, (choice,))
    reason: str | None = None
    for path in paths:
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read(_PROFILE_LIMIT)
        except OSError as error:
            reason = error.strerror
    message = f"can't read the seccomp profile {paths[-1]}: {reason}"
    raise InvalidOptionError(message, hint="seccomp=default needs no file")


def _default_path() -> str:
    return os.path.join(os.path.dirname(__file__), "seccomp.json")


def resolve(
    profile: bytes, *, capabilities: frozenset[str], kernel: str, architecture: str
) -> dict[str, Any]:
    """The part of a profile that applies here.

    Args:
        profile: JSON.
        capabilities: ``CAP_…`` of the container's bounding set.
        kernel: release, as in uname(2).
        architecture: as Go names it.

    Returns:
        runtime-spec's ``linux.seccomp``.

    Raises:
        InvalidOptionError: not a profile.
    """
    native = _NATIVE.get(architecture, architecture)
    try:
        document = json.loads(profile)
        result: dict[str, Any] = {
            "defaultAction": document["defaultAction"],
            **_errno(document, "defaultErrno", "defaultErrnoRet"),
            "architectures": _architectures(document, native),
            **{key: document[key] for key in _TOP_LEVEL if document.get(key)},
        }
        here = _Here(native, _version(kernel), capabilities)
        rules = document.get("syscalls") or []
        result["syscalls"] = [_rule(rule) for rule in rules if here.applies(rule)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"invalid seccomp profile: {type(error).__name__}: {str(error)[:120]}"
        raise InvalidOptionError(message) from error
    return result


class _Here:
    """One processor, kernel and set of capabilities."""

    def __init__(self, native: str, kernel: tuple[int, int], bounding: frozenset[str]) -> None:
        self._native = native
        self._kernel = kernel
        self._bounding = bounding

    def applies(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule counts: no exclusion holds, and every inclusion does."""
        without = rule.get("excludes") or {}
        if self._native in (without.get("arches") or ()):
            return False
        if not self._bounding.isdisjoint(without.get("caps") or ()):
            return False
        if without.get("minKernel") and self._kernel >= _version(without["minKernel"]):
            return False
        within = rule.get("includes") or {}
        if within.get("arches") and self._native not in within["arches"]:
            return False
        if not self._bounding.issuperset(within.get("caps") or ()):
            return False
        return not within.get("minKernel") or self._kernel >= _version(within["minKernel"])


def _version(release: str) -> tuple[int, int]:
    # Without a regular expression: loading those takes longer than all of this module's work.
    major, _, rest = release.partition(".")
    minor = rest[: len(rest) - len(rest.lstrip(_DIGITS))]
    if not major or major.strip(_DIGITS) or not minor or len(major + minor) > _LONGEST:
        message = f"no kernel version: {release!r}"
        raise ValueError(message)
    return int(major), int(minor)


def _architectures(document: Mapping[str, Any], native: str) -> list[str]:
    literal, mapped = document.get("architectures"), document.get("archMap")
    if literal and mapped:
        message = "both architectures and archMap"
        raise ValueError(message)
    if literal:
        return list(literal)
    scmp = _SCMP_ARCH.get(native)
    for entry in mapped or ():
        if entry["architecture"] == scmp:
            return [scmp, *(entry.get("subArchitectures") or ())]
    return []


def _errno(document: Mapping[str, Any], name: str, number: str) -> dict[str, int]:
    if document.get(name):
        return {number: _ERRNOS.get(document[name]) or int(document[name])}
    return {} if document.get(number) is None else {number: document[number]}


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or [rule["name"]]
    args = rule.get("args") or ()
    return {
        "names": names,
        "action": rule["action"],
        **_errno(rule, "errno", "errnoRet"),
        **({"args": list(args)} if args else {}),
    }
