"""What people can do about a machine that lacks something: one wording for each remedy.

The errors that ``run`` ends with and the findings of ``doctor`` take their next steps from
here. Imported where something has failed already: a run that works never needs it.
"""

from __future__ import annotations

from typing import Final

DOCTOR: Final = "imgfetch doctor says what this machine lacks"
"""Where nothing better is known."""

# Namespaces

KUBERNETES: Final = (
    "in Kubernetes set seccompProfile: Unconfined (on AppArmor nodes appArmorProfile:"
    " Unconfined too); runAsNonRoot and dropped capabilities may stay"
)
APPARMOR: Final = (
    "as root: an AppArmor profile with 'userns,' for this program, or"
    " sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)
KERNEL_USERNS: Final = "the kernel needs CONFIG_USER_NS"
BEFORE_THREADS: Final = "enter before threads start"
MAPPING_CAPABILITIES: Final = "run as an ordinary user, or with these capabilities"
MOUNT_PROC: Final = "mount -t proc proc /proc"
UNMASKED_PROC: Final = "in Kubernetes with hostUsers: false, procMount: Unmasked shows all of it"


def sysctl(name: str, value: int) -> str:
    """To change a kernel parameter."""
    return f"as root: sysctl -w {name}={value}"


# Ids

INSTALL_UIDMAP: Final = "install newuidmap and newgidmap: apt install uidmap (Debian, Ubuntu)"
READ_SUBIDS: Final = "/etc/subuid and /etc/subgid say which can"
NO_NEW_PRIVS: Final = "start it where no_new_privs is not set (allowPrivilegeEscalation: true)"


def add_subids(user: str, *files: str) -> str:
    """To give a user subordinate ids, by name or by number: in all of some files."""
    names = " and ".join(files)
    return f"as root add a line like {user}:100000:65536 to {names}, with ids that nobody has yet"


def set_privileges(program: str, capability: str) -> str:
    """To let a program that maps ids do so."""
    return f"as root: chmod u+s {program}, or setcap {capability}=ep {program}"


# Programs

INSTALL_RUNTIME: Final = (
    "install one: apt install runc (Debian, Ubuntu), dnf install runc (Fedora), apk add runc"
)
UPDATE_RUNTIME: Final = (
    "unless your distribution has patched it, which keeps the version: install runc 1.2.8,"
    " 1.3.3, 1.4 or newer"
)
INSTALL_NETWORK_HELPER: Final = (
    "Debian, Ubuntu, Fedora: install passt, which has pasta, or slirp4netns"
)
INSTALL_INIT: Final = "install one: catatonit, tini-static or docker-init"
INSTALL_FUSE_OVERLAYFS: Final = "Debian, Ubuntu, Fedora: install fuse-overlayfs"
INSTALL_EROFS: Final = "Debian, Ubuntu, Fedora: install erofs-utils"
INSTALL_SQUASHFS: Final = "Debian, Ubuntu, Fedora: install squashfs-tools"
INSTALL_AUTHORITIES: Final = "install ca-certificates, or name a file with --ca"
CRUN_ON_HYBRID: Final = "crun does not work with hybrid cgroups: use --runtime runc"
NO_SECCOMP: Final = (
    "this runtime was built without seccomp; --security-opt seccomp=unconfined does without"
)
INITRAMFS_ROOT: Final = "the root file system is an initramfs"
NO_LIMITS: Final = "no limits can be set here: leave --memory, --cpus and the like out"
NO_APPARMOR: Final = "--security-opt apparmor=unconfined does without the profile"
UNMAPPED_ID: Final = "the image's user has no id here: --user 0, or more subordinate ids"


def device(path: str, *, there: bool) -> str:
    """To have a device that everybody may use, as distributions have it."""
    if there:
        return f"as root: chmod 0666 {path}"
    return f"give it to the container or pod that this is: --device {path}, or a device plugin"


# Stores

COPY: Final = "--rootfs-mode copy does without"
OTHER_STORE: Final = (
    "name a store of your own with --store, and add one that is only read with --store-ro"
)
OTHER_FILE_SYSTEM: Final = "name one on another file system with --store"
OVERLAY_FILE_SYSTEM: Final = (
    "--store on a file system such as ext4, xfs or btrfs; in a pod, on a volume"
)
NOT_NOEXEC: Final = "use --store on another one, or --rootfs-mode overlay"
FSCK: Final = "imgfetch fsck --repair"
MAKE_ROOM: Final = "make room, then run the command again"

# Time

SET_CLOCK: Final = "set the clock: certificates and tokens are good for a time only"
