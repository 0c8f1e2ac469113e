"""A root filesystem and options become a container that a runtime can start.

What ``run`` starts, ``bundle`` writes and ``spec`` prints is made here, once: the user is
looked up inside the root, mount points are made inside the root, and the command is
checked before any runtime is asked.
"""

from __future__ import annotations

from imgfetch.bundle import etcfiles
from imgfetch.bundle.directory import write_etc_files
from imgfetch.bundle.preflight import check_command
from imgfetch.bundle.probe import emulates_other_formats
from imgfetch.bundle.process import container_hostname
from imgfetch.bundle.seccomp import read_profile, resolve
from imgfetch.bundle.spec import runtime_spec
from imgfetch.bundle.targets import prepare_targets
from imgfetch.bundle.users import resolve_user
from imgfetch.errors import CommandError
from imgfetch.fs.rootdir import RootDir
from imgfetch.lean.dataclasses import dataclass, replace
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.bundle.host import HostFacts, Place
    from imgfetch.bundle.options import RunOptions
    from imgfetch.bundle.spec import RuntimeSpec
    from imgfetch.interfaces import Progress
    from imgfetch.oci.config import ImageConfig

_HOST_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class ContainerMaker:
    """Makes specifications on one machine.

    Attributes:
        host: what the machine is like.
        progress: told what was asked for and can't be had.
    """

    host: HostFacts
    progress: Progress

    def make(
        self,
        image: ImageConfig,
        options: RunOptions,
        place: Place,
        root: str,
        *,
        directory: str | None,
    ) -> dict[str, Any]:
        """The runtime specification of a container, as a document; see `specify`."""
        return self.specify(image, options, place, root, directory=directory).document

    def specify(
        self,
        image: ImageConfig,
        options: RunOptions,
        place: Place,
        root: str,
        *,
        directory: str | None,
    ) -> RuntimeSpec:
        """The runtime specification of a container.

        Args:
            image: the image's config.
            options: of the run.
            place: where the container lives; its ``etc_files`` are made here.
            root: path of the root filesystem.
            directory: for the files that are bound over those in ``/etc``; None to leave
                the image's as they are.

        Raises:
            BundleError: the options, or what the image says, are impossible here.
            ContentError: the image's config says something impossible.
        """
        with RootDir.open(root) as tree:
            asked = options.process
            text = image.process.user if asked.user is None else asked.user
            user = resolve_user(text, tree, asked.group_add)
        if directory is not None:
            files = self._etc_files(options, place)
            place = replace(place, etc_files=write_etc_files(directory, files))
        spec = runtime_spec(image, options, self.host, user, place, seccomp=self._seccomp(options))
        for warning in spec.warnings:
            self.progress.warn(warning)
        if options.patch is None:
            return spec
        from imgfetch.bundle.patch import patched

        return replace(spec, document=patched(spec.document, options.patch))

    def prepare(self, root: str, document: Mapping[str, Any]) -> None:
        """Make the mount points of a specification in a root filesystem.

        Raises:
            InvalidMountError: a mount point that can't be had.
            DocumentError: the working directory leads into ``/proc``.
        """
        with RootDir.open(root) as tree:
            prepare_targets(tree, document)

    def check_command(self, root: str, document: Mapping[str, Any]) -> None:
        """Look whether the command of a specification can be started.

        Raises:
            CommandError: it can't, and why.
        """
        with RootDir.open(root) as tree:
            refusal = check_command(
                tree,
                document,
                architecture=self.host.architecture,
                emulates=emulates_other_formats(),
            )
        if refusal is not None:
            raise CommandError(refusal.reason, status=refusal.status, hint=refusal.hint)

    def _seccomp(self, options: RunOptions) -> dict[str, Any] | None:
        security = options.security
        profile = None if security.privileged else read_profile(security.seccomp)
        if profile is None:
            return None
        from imgfetch.bundle.capabilities import granted

        return resolve(
            profile,
            capabilities=frozenset(granted(security, self.host.capabilities)),
            kernel=self.host.kernel,
            architecture=self.host.architecture,
        )

    def _etc_files(self, options: RunOptions, place: Place) -> dict[str, str]:
        network = options.network
        hostname = container_hostname(options, self.host, place)
        shared = place.network == "host"
        hosts = _host_file("/etc/hosts") if shared else None
        address, forwarder = _private_addresses() if place.network == "private" else (None, None)
        return {
            "/etc/hosts": etcfiles.hosts_file(
                network, hostname=hostname, address=address, host_file=hosts
            ),
            "/etc/hostname": etcfiles.hostname_file(hostname),
            "/etc/resolv.conf": etcfiles.resolv_conf(
                network,
                _host_file("/etc/resolv.conf"),
                own_network=not shared,
                forwarder=forwarder,
            ),
        }


def _private_addresses() -> tuple[str, str]:
    from imgfetch.runtime.connectors import ADDRESS, NAMESERVER

    return ADDRESS, NAMESERVER


def _host_file(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            raw = file.read(_HOST_FILE_LIMIT) or b""
    except OSError:
        return ""
    return raw.decode("utf-8", "surrogateescape")
