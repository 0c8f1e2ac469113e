"""Which version a runtime is, and whether it has known holes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import PolicyError, RuntimeFailedError

if TYPE_CHECKING:
    from imgfetch.runtime.program import RuntimeProgram

_TIMEOUT = 10
_VERSION = re.compile(r"\bversion (\d+)\.(\d+)(?:\.(\d+))?")
# CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881: by branch, the first release without.
_FIXED = {(1, 2): 8, (1, 3): 3}
_FIXED_SINCE = (1, 4)


class RuntimeVersion(NamedTuple):
    """A version, as far as comparing goes."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """``major.minor.patch``."""
        return ".".join(map(str, self))


def runtime_version(program: RuntimeProgram) -> RuntimeVersion | None:
    """The version that a runtime says it is; None where it says something else.

    Raises:
        RuntimeFailedError: it can't be executed, fails or hangs.
    """
    return version_in(version_text(program))


def version_text(program: RuntimeProgram) -> str:
    """What a runtime says of itself.

    Raises:
        RuntimeFailedError: it can't be executed, fails or hangs.
    """
    try:
        done = subprocess.run(
            [program.path, "--version"],
            capture_output=True,
            check=True,
            env={},
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{program.path} --version: {error}"
        raise RuntimeFailedError(message) from error
    return done.stdout.decode(errors="replace")


def version_in(text: str) -> RuntimeVersion | None:
    """The version in what a runtime says; None where there is none."""
    found = _VERSION.search(text)
    return RuntimeVersion(*(int(number or 0) for number in found.groups())) if found else None


def filters_system_calls(program: RuntimeProgram, text: str) -> bool | None:
    """Whether a runtime was built with seccomp, by what it says; None where it does not tell."""
    if program.is_crun:
        return "+SECCOMP" in text
    return "libseccomp:" in text if program.name == "runc" else None


def has_known_escapes(program: RuntimeProgram, version: RuntimeVersion) -> bool:
    """Whether containers can get out of this version of runc, unless it was patched.

    Distributions keep the version and patch it: a warning is all that this is good for.
    """
    if program.name != "runc" or version[:2] >= _FIXED_SINCE:
        return False
    fixed = _FIXED.get(version[:2])
    return fixed is None or version.patch < fixed


def refuse_known_escapes(program: RuntimeProgram) -> None:
    """What ``--strict`` is about.

    Raises:
        PolicyError: see `has_known_escapes`.
        RuntimeFailedError: see `runtime_version`.
    """
    version = runtime_version(program)
    if version is not None and has_known_escapes(program, version):
        message = f"{program.path} is version {version}, which containers can get out of"
        raise PolicyError(
            message,
            expected="runc 1.2.8, 1.3.3, 1.4.0 or newer, or crun",
            hint="distributions patch older ones: where yours has, leave --strict away",
        )
