"""Why the kernel refuses a namespace, a mapping or a mount, and what to do about it.

An errno alone does not tell: EPERM of unshare(2) is a sysctl, a seccomp filter or
AppArmor, and each has another remedy.
"""

from __future__ import annotations

import errno

from imgfetch.errors import NamespaceError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot.userns import read_status

if TYPE_CHECKING:
    from pathlib import Path

_SECCOMP_FILTER = "2"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What may stand in the way of a process.

    Attributes:
        max_user_namespaces: sysctl ``user.max_user_namespaces``; None where not known.
        userns_clone: sysctl ``kernel.unprivileged_userns_clone`` (Debian); None elsewhere.
        apparmor_userns: sysctl ``kernel.apparmor_restrict_unprivileged_userns`` (Ubuntu).
        seccomp: whether system calls are filtered.
        no_new_privs: whether setuid programs and file capabilities have no effect.
        threads: of this process.
    """

    max_user_namespaces: int | None = None
    userns_clone: int | None = None
    apparmor_userns: int | None = None
    seccomp: bool = False
    no_new_privs: bool = False
    threads: int = 1

    @classmethod
    def of_self(cls, proc: Path) -> Confinement:
        """That of the calling process, as far as ``/proc`` tells."""
        status = read_status(proc)
        return cls(
            _number(proc / "sys/user/max_user_namespaces"),
            _number(proc / "sys/kernel/unprivileged_userns_clone"),
            _number(proc / "sys/kernel/apparmor_restrict_unprivileged_userns"),
            status.get("Seccomp") == _SECCOMP_FILTER,
            status.get("NoNewPrivs") == "1",
            int(status.get("Threads", "1")),
        )


def no_proc(proc: Path) -> NamespaceError:
    """For a machine, or a chroot, without procfs, which tells what there is."""
    from imgfetch.remedies import MOUNT_PROC

    return NamespaceError(f"{proc} is not mounted, and runs need it", hint=MOUNT_PROC)


def no_namespace(error: OSError, confinement: Confinement) -> NamespaceError:
    """For an unshare(2) that failed."""
    blocker, remedy = _blocker_of_unshare(error, confinement)
    message = f"user namespaces are blocked by {blocker}: {error.strerror}"
    return NamespaceError(message, hint=remedy)


def _blocker_of_unshare(error: OSError, confinement: Confinement) -> tuple[str, str]:
    # Here and below: nothing that a run which works would need.
    from imgfetch import remedies

    if error.errno == errno.EINVAL and confinement.threads > 1:
        return f"{confinement.threads} threads in this process", remedies.BEFORE_THREADS
    if error.errno == errno.ENOSPC or confinement.max_user_namespaces == 0:
        return _sysctl("user.max_user_namespaces", 15000)
    if confinement.userns_clone == 0:
        return _sysctl("kernel.unprivileged_userns_clone", 1)
    if error.errno == errno.EINVAL:
        return "a kernel without them", remedies.KERNEL_USERNS
    return _confinement(confinement)


def no_mapping(error: OSError, confinement: Confinement, *, root: bool) -> NamespaceError:
    """For a uid_map or gid_map that could not be written."""
    from imgfetch import remedies

    if root and confinement.apparmor_userns != 1:
        # Since Linux 5.12 nobody may map root who could not set file capabilities as root.
        blocker = "the lack of CAP_SETUID, CAP_SETGID or CAP_SETFCAP"
        remedy = remedies.MAPPING_CAPABILITIES
    else:
        blocker, remedy = _confinement(confinement)
    message = f"ids of the user namespace are blocked by {blocker}: {error.strerror}"
    return NamespaceError(message, hint=remedy)


def no_mount(error: OSError, confinement: Confinement) -> NamespaceError:
    """For a mount in namespaces of our own that failed."""
    blocker, remedy = _confinement(confinement)
    return NamespaceError(f"mounting is blocked by {blocker}: {error.strerror}", hint=remedy)


def _confinement(confinement: Confinement) -> tuple[str, str]:
    from imgfetch import remedies

    if confinement.seccomp:
        return "a seccomp filter", remedies.KUBERNETES
    if confinement.apparmor_userns == 1:
        return "AppArmor (kernel.apparmor_restrict_unprivileged_userns)", remedies.APPARMOR
    return "the kernel (a chroot, or a security module)", remedies.KUBERNETES


def _sysctl(name: str, value: int) -> tuple[str, str]:
    from imgfetch import remedies

    return f"the sysctl {name}", remedies.sysctl(name, value)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
