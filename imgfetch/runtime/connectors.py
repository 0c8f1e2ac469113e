"""The programs that connect a network namespace with the world, in user space.

pasta(1) takes packets apart and speaks from sockets of its own: it knows IPv6, and shows a
container who calls. slirp4netns(1) has a TCP/IP stack of its own. Both are given the same
addresses, so that nothing else has to know which of them it is, and both end with the
process that started them.
"""

from __future__ import annotations

import os
import select

from imgfetch.errors import RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.fs.programs import find_program
from imgfetch.lean import contextlib, signal
from imgfetch.lean.typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn
from imgfetch.runtime.child import keep_descriptors, reset_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS: Final = "10.0.2.100"
"""The container's address."""
NAMESERVER: Final = "10.0.2.3"
"""Asks the name servers of the host."""
SOCKET: Final = "network"
"""slirp4netns's, in the run's directory: it is told there what leads inside."""
NAMESPACE: Final = "netns"
"""The network namespace, in the run's directory: pasta may not look at a process's."""
LOG: Final = "network.log"

_GATEWAY = "10.0.2.2"
_PREFIX = "24"
_INTERFACE = "tap0"
_DEVICE = "/dev/net/tun"
_PASTA, _SLIRP = "pasta", "slirp4netns"
_GO = b"\1"
_PATIENCE = 10_000
"""Milliseconds that a program has to come up; it takes some tens."""


class Forward(NamedTuple):
    """A port of the host that leads into the container.

    Attributes:
        address: on the host; "" for all.
        host_port: on the host.
        container_port: in the container.
        protocol: ``tcp`` or ``udp``.
    """

    address: str
    host_port: int
    container_port: int
    protocol: Literal["tcp", "udp"] = "tcp"

    @property
    def as_pasta_has_it(self) -> str:
        """The value of ``-t`` or ``-u``."""
        before = f"{self.address}/" if self.address else ""
        return f"{before}{self.host_port}:{self.container_port}"


def find_helpers(search_path: str, *, root: bool | None = None) -> tuple[str, ...]:
    """The paths of the programs there are, in the order in which to try them.

    Root gets slirp4netns first: pasta does not want to be root, and many of its versions
    end over that.

    Args:
        search_path: as PATH.
        root: whether this is the machine's root; None to look.

    Raises:
        RuntimeFailedError: a private network can't be had here; says what is missing.
    """
    by_root = os.geteuid() == 0 if root is None else root
    names = (_SLIRP, _PASTA) if by_root else (_PASTA, _SLIRP)
    found = tuple(program for name in names if (program := find_program(name, search_path)))
    if not found:
        from imgfetch.remedies import INSTALL_NETWORK_HELPER

        message = "a private network needs pasta or slirp4netns, and neither is installed"
        raise RuntimeFailedError(message, hint=INSTALL_NETWORK_HELPER)
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        from imgfetch.remedies import device

        message = f"a private network needs {_DEVICE}, which can't be opened"
        raise RuntimeFailedError(message, hint=device(_DEVICE, there=os.path.exists(_DEVICE)))
    return found


def is_pasta(program: str) -> bool:
    """Whether a program is pasta, by its name."""
    return os.path.basename(program).startswith(_PASTA)


class Helper(NamedTuple):
    """A process of the caller's network that will be one of the programs.

    Attributes:
        program: its path.
        pid: the process.
        go: tells it that the namespace is there.
        ready: told by it when the network is up; closed untold where it never is.
    """

    program: str
    pid: int
    go: int
    ready: int

    @classmethod
    def fork(cls, program: str, directory: str, forwards: Sequence[Forward]) -> Helper:
        """Have one for the namespace that this process is about to enter.

        Args:
            program: path.
            directory: of the run.
            forwards: for pasta, which is told all at its start.
        """
        go_read, go = os.pipe()
        ready, ready_write = os.pipe()
        target = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            _become(program, target, directory, forwards, go_read, ready_write)
        os.close(go_read)
        os.close(ready_write)
        return cls(program, pid, go, ready)

    def let_go(self) -> None:
        """Have it begin."""
        os.write(self.go, _GO)

    def comes_up(self) -> bool:
        """Wait until the network is up; False where it never is."""
        poll = select.poll()
        poll.register(self.ready, select.POLLIN)
        return bool(poll.poll(_PATIENCE)) and bool(os.read(self.ready, 1))

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.go)
        os.close(self.ready)


def _become(
    program: str,
    target: int,
    directory: str,
    forwards: Sequence[Forward],
    go: int,
    ready: int,
) -> NoReturn:
    try:
        linux.die_with_parent(signal.SIGKILL)
        if os.read(go, 1) == _GO:
            os.setpgid(0, 0)
            os.chdir(directory)
            log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.set_inheritable(ready, True)  # noqa: FBT003 - positional only
            keep_descriptors({ready}, stdin=False)
            reset_signals(())
            _execute(program, target, forwards, ready)
    finally:
        os._exit(1)


def _execute(program: str, target: int, forwards: Sequence[Forward], ready: int) -> None:
    if is_pasta(program):
        # Its own number is written to the file of -P when all is set up: to a pipe.
        os.dup2(ready, 1)
        options = _pasta(forwards)
    else:
        options = _slirp4netns(target, ready)
    os.execve(program, [program, *options], {})  # noqa: S606 - no shell wanted


def _slirp4netns(target: int, ready: int) -> list[str]:
    options = ["--configure", "--mtu=65520", "--disable-host-loopback"]
    options += [f"--ready-fd={ready}", f"--api-socket={SOCKET}"]
    return [*options, str(target), _INTERFACE]


def _pasta(forwards: Sequence[Forward]) -> list[str]:
    options = ["--foreground", "--quiet", "--log-file", LOG, "--pid", "/proc/self/fd/1"]
    # It stays in this user namespace, which the network namespace belongs to.
    options += ["--runas", "0", "--netns-only", "--netns", f"{os.getcwd()}/{NAMESPACE}"]
    options += ["--config-net", "--ns-ifname", _INTERFACE, "--no-map-gw"]
    options += ["--address", ADDRESS, "--netmask", _PREFIX, "--gateway", _GATEWAY]
    options += ["--dns-forward", NAMESERVER, "--tcp-ns", "none", "--udp-ns", "none"]
    for protocol, option in (("tcp", "--tcp-ports"), ("udp", "--udp-ports")):
        ports = [one.as_pasta_has_it for one in forwards if one.protocol == protocol]
        for value in ports or ["none"]:
            options += [option, value]
    return options
