"""Capabilities: which there are, and which a container gets.

capabilities(7). Only options grant anything here; an image is never asked (CVE-2022-0811
class).
"""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imgfetch.bundle.options import SecurityOptions

ALL: Final = "ALL"

# In the kernel's order: CAP_CHOWN is bit 0.
CAPABILITIES: Final = tuple(
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID"),
        *("SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST"),
        *("NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO"),
        *("SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
        *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE"),
        *("AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM"),
        *("BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
    )
)
# podman's: docker's fourteen without AUDIT_WRITE, MKNOD and NET_RAW.
DEFAULT_CAPABILITIES: Final = frozenset(
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)


def granted(security: SecurityOptions, bounding: frozenset[str]) -> list[str]:
    """The capabilities of the process, in the kernel's order.

    As in moby: what is dropped is dropped first, then what is added is added, and
    nothing is given that the bounding set of the caller lacks.
    """
    if security.privileged:
        wanted = frozenset(CAPABILITIES)
    elif ALL in security.cap_add:
        wanted = frozenset(CAPABILITIES).difference(security.cap_drop)
    elif ALL in security.cap_drop:
        wanted = frozenset(security.cap_add)
    else:
        wanted = DEFAULT_CAPABILITIES.difference(security.cap_drop).union(security.cap_add)
    return [name for name in CAPABILITIES if name in wanted and name in bounding]
