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
UNMASKED_PROC: Final = (
    "in a pod: procMount: Unmasked (with hostUsers: false), or an engine that masks nothing"
)


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


# Commands

NOT_IN_IMAGE: Final = "imgfetch export IMAGE | tar t lists what the image has"
NOT_EXECUTABLE: Final = "chmod +x it where it comes from, or name its interpreter before it"

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

# Registries

ONLINE: Final = "leave --offline and IMGFETCH_OFFLINE out"

# Time

SET_CLOCK: Final = "set the clock: certificates and tokens are good for a time only"

# Errors, by class: for where nothing better is known of a single one

NEXT_STEPS: Final = {
    "ImgfetchError": "catch it; what is raised is always one of the others",
    "UsageError": (
        "`imgfetch COMMAND --help`; for settings, `imgfetch config` and `imgfetch doctor`"
    ),
    "InvalidReferenceError": "write `[TRANSPORT]NAME[:TAG][@DIGEST]`",
    "VerificationError": "don't use the content; ask again, and then whoever serves it",
    "DigestMismatchError": (
        "run the command again; if it stays, a registry, mirror or proxy gives other "
        "bytes than were promised: leave it out, and tell whoever runs it"
    ),
    "SizeMismatchError": (
        "run the command again; if it stays, a registry, mirror or proxy gives other "
        "bytes than were promised: leave it out, and tell whoever runs it"
    ),
    "DiffIDMismatchError": "use another build of the image, and tell whoever made this one",
    "ContentError": "use another version of the image, and tell whoever made this one",
    "DocumentError": "tell whoever made or pushed the image; nothing here can mend it",
    "InvalidDigestError": "write the whole digest, `sha256:` and 64 digits",
    "UnsupportedContentError": (
        "fetch what is no container image with the tool that it is for; have images "
        "converted to OCI or Docker's schema 2 where they are pushed"
    ),
    "PlatformError": "choose one that there is with `--platform`",
    "RegistryError": "read what the registry said; ask again later, or whoever runs it",
    "NotFoundError": "check the name; if it is private, `imgfetch login HOST`",
    "AuthenticationError": (
        "`imgfetch auth explain HOST` shows which are used, `imgfetch login HOST` keeps others"
    ),
    "RateLimitError": "wait; or log in, since accounts have higher limits",
    "NetworkError": "check name, proxy and name servers; `imgfetch doctor HOST` tries",
    "TLSError": "trust the authority with `--ca FILE`; check this machine's clock",
    "StoreError": "`imgfetch doctor` looks at the store; `--store` names another",
    "NotInStoreError": "`imgfetch pull` while online",
    "StoreLockedError": "wait for the other process; when it ends, so does its lock",
    "StoreCorruptError": "`imgfetch fsck --repair`",
    "LayerError": "use another version of the image, and tell whoever made this one",
    "MalformedLayerError": "build the image anew, and tell whoever made this one",
    "UnsafeLayerError": "don't use the image, and tell whoever made it",
    "LayerLimitError": "don't use the image, unless you know why it is like that",
    "BundleError": "change the option that the message names",
    "InvalidUserError": "name a user that the image has with `--user`, or use a number",
    "InvalidMountError": (
        "write `-v SOURCE:DESTINATION[:OPTIONS]` or `--mount type=…`, with a source that is there"
    ),
    "InvalidOptionError": "`imgfetch run --help` says what the option takes",
    "RuntimeFailedError": "`imgfetch doctor` says what this machine lacks",
    "RuntimeMissingError": "install what the message names",
    "CommandError": (
        "check the command's name and the image's platform; `imgfetch export` shows "
        "what the image has"
    ),
    "NamespaceError": "`imgfetch doctor` says who refuses, and what to change",
    "ContainerError": "look at what the container wrote",
    "ContainerExitError": "look at what the container wrote",
    "ContainerTimeoutError": "allow it more time, or look at why it takes so long",
    "NoSpaceError": "make room (`imgfetch df`, `imgfetch prune`), then run the command again",
    "PolicyError": "review what has changed; `imgfetch lock --upgrade` accepts it",
    "InterruptedBySignalError": "run the command again: pulls go on where they were",
}
"""What a person can do, in Markdown; a row of docs/reference/errors.md each."""
