"""A network of the container's own that reaches the world through a program beside it.

This process moves into a new network namespace, which the runtime inherits; a helper
that stays in the caller's passes packets on, without privileges and without leaving
anything on the host: it ends with this process, however that ends. Which programs there
are for that, and in which order they are tried, is in `imgfetch.runtime.connectors`.
"""

from __future__ import annotations

import os

from imgfetch.errors import ImgfetchError, InvalidOptionError, RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.lean import contextlib, json
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.runtime.connectors import (
    ADDRESS,
    LOG,
    NAMESPACE,
    SOCKET,
    Forward,
    Helper,
    is_pasta,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ANSWER_LIMIT = 65536
_SYSLOG = "Failed to send "


@dataclass(frozen=True, slots=True)
class PrivateNetwork:
    """The network namespace that this process is in, and what connects it.

    Attributes:
        helpers: those that are not given up; the first one is at it.
        directory: of the run: the programs' files are there.
        forwards: ports of the host that are to lead into the container.
    """

    helpers: list[Helper]
    directory: str
    forwards: tuple[Forward, ...] = ()

    @classmethod
    def enter(
        cls,
        programs: Sequence[str],
        directory: str,
        sysctls: Mapping[str, str],
        forwards: Sequence[Forward] = (),
    ) -> PrivateNetwork:
        """Move this process into a new network namespace, and wait until that is connected.

        Args:
            programs: see `imgfetch.runtime.connectors.find_helpers`.
            directory: of the run; absolute.
            sysctls: ``net.*`` parameters to set.
            forwards: ports of the host that are to lead into the container.

        Raises:
            RuntimeFailedError: the network could not be set up.
            InvalidOptionError: a parameter is refused, or a port is taken.
        """
        network = cls.start(programs, directory, forwards)
        try:
            network.finish(sysctls)
        except BaseException:
            network.close()
            raise
        return network

    @classmethod
    def start(
        cls, programs: Sequence[str], directory: str, forwards: Sequence[Forward] = ()
    ) -> PrivateNetwork:
        """Move this process into a new network namespace; there is no way back.

        It is connected meanwhile: what needs no network can go on until `finish`. Has to be
        called in namespaces of `imgfetch.snapshot.userns.enter`. For the arguments see `enter`.

        Raises:
            RuntimeFailedError: a network namespace is refused.
        """
        # All of them now: none could be started in the caller's network afterwards.
        helpers = [Helper.fork(program, directory, forwards) for program in programs]
        network = cls(helpers, directory, tuple(forwards))
        try:
            linux.unshare(linux.CLONE_NEWNET)
            if any(map(is_pasta, programs)):
                _show_namespace(f"{directory}/{NAMESPACE}")
        except OSError as error:
            network.close()
            from imgfetch.remedies import DOCTOR

            message = f"a network namespace is refused: {error.strerror}"
            raise RuntimeFailedError(message, hint=DOCTOR) from error
        helpers[0].let_go()
        return network

    def finish(self, sysctls: Mapping[str, str]) -> None:
        """Wait until the network is up; has to be before the runtime starts.

        Raises:
            RuntimeFailedError: the network could not be set up.
            InvalidOptionError: a parameter is refused, or a port is taken or not allowed.
        """
        while not self.helpers[0].comes_up():
            failed = self.helpers.pop(0)
            failed.end()
            if not self.helpers:
                raise self._failure(failed.program)
            self.helpers[0].let_go()
        while len(self.helpers) > 1:
            self.helpers.pop().end()
        _set(sysctls)
        if not is_pasta(self.helpers[0].program):
            self._forward()

    def close(self) -> None:
        """End the helper; the namespace ends with the last process in it."""
        while self.helpers:
            self.helpers.pop().end()
        with contextlib.suppress(OSError):
            linux.unmount(f"{self.directory}/{NAMESPACE}", linux.MNT_DETACH)

    def _failure(self, program: str) -> ImgfetchError:
        said = _last_words(f"{self.directory}/{LOG}")
        for one in self.forwards:
            if one.as_pasta_has_it in said:
                return _not_published(one, said)
        message = f"{os.path.basename(program)} failed: {said or 'it said nothing'}"
        return RuntimeFailedError(message, hint="--network host or none does without")

    def _forward(self) -> None:
        for one in self.forwards:
            arguments = {
                "proto": one.protocol,
                "host_addr": one.address or "0.0.0.0",  # noqa: S104 - as docker's -p
                "host_port": one.host_port,
                "guest_addr": ADDRESS,
                "guest_port": one.container_port,
            }
            answer = self._ask({"execute": "add_hostfwd", "arguments": arguments})
            if "error" in answer:
                raise _not_published(one, str(answer["error"]))

    def _ask(self, request: Mapping[str, object]) -> dict[str, object]:
        import socket  # takes milliseconds, and few runs publish a port

        # Names of sockets are short, and a store's path need not be.
        directory = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(f"/proc/self/fd/{directory}/{SOCKET}")
                connection.sendall(json.dumps(request).encode())
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as stream:
                    answer: dict[str, object] = json.loads(stream.read(_ANSWER_LIMIT))
        except (OSError, ValueError) as error:
            message = f"slirp4netns does not answer: {error}"
            raise RuntimeFailedError(message) from error
        finally:
            os.close(directory)
        return answer


def _show_namespace(path: str) -> None:
    """Give this process's network namespace a name, in this mount namespace only."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    linux.mount("/proc/self/ns/net", path, None, linux.MS_BIND)


def _not_published(forward: Forward, why: str) -> InvalidOptionError:
    message = f"port {forward.host_port}/{forward.protocol} can't be published"
    return InvalidOptionError(message, actual=why)


def _set(sysctls: Mapping[str, str]) -> None:
    for name, value in sysctls.items():
        path = f"/proc/sys/{name.replace('.', '/')}"
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(value)
        except OSError as error:
            message = f"the kernel parameter {name} can't be set: {error.strerror}"
            raise InvalidOptionError(message) from error


def _last_words(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log.read().splitlines() if not line.startswith(_SYSLOG)]
    except OSError:
        return ""
    if not lines:
        return ""
    import re  # takes milliseconds, and this is for failures

    # pasta's log has times, and how bad it is.
    return re.sub(r"^[0-9.]+: (?:\w+: )?", "", lines[-1].strip())
