"""Looking at things in processes of their own: what hangs, crashes or can't be undone stays there.

Each look gets a child that leads a session, so that it is ended with all that it has
started; what it mounts or enters ends with it. A child that gives no answer, or a wrong one,
becomes a finding that says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from imgfetch.errors import ImgfetchError
from imgfetch.findings import Finding, missing, of_error, warning
from imgfetch.fs import linux
from imgfetch.remedies import MOUNT_PROC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BLOCK: Final = 65536
_AT_ONCE: Final = 6
# After which a child ends itself, if nobody is left to end it.
_GRACE: Final = 5
_SAID: Final = 300
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPORT: Final = "please report it"


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at.

    Attributes:
        check: name of the finding, where there is none.
        look: gives the findings; runs in a process of its own.
        needed: whether ``run`` can't work if this can't be looked at.
        seconds: after which it is given up.
    """

    check: str
    look: Callable[[], Finding | Iterable[Finding]]
    needed: bool = False
    seconds: float = 20


@dataclass(slots=True)
class _Child:
    number: int
    look: Look
    pid: int
    deadline: float
    said: bytearray


def findings(looks: Sequence[Look]) -> list[Finding]:
    """Look at everything, several things at a time; this process has to be single-threaded.

    Returns:
        What was found, in the order of the looks.
    """
    found: list[list[Finding]] = [[] for _ in looks]
    waiting = list(enumerate(looks))[::-1]
    working: dict[int, _Child] = {}
    poll = select.poll()
    try:
        while waiting or working:
            while waiting and len(working) < _AT_ONCE:
                descriptor, child = _start(*waiting.pop())
                working[descriptor] = child
                poll.register(descriptor, select.POLLIN | select.POLLHUP)
            for descriptor in _ended(working, poll):
                poll.unregister(descriptor)
                child = working.pop(descriptor)
                found[child.number] = _end(descriptor, child)
    finally:
        for descriptor, child in working.items():
            _end(descriptor, child)
    return [finding for some in found for finding in some]


def _ended(working: dict[int, _Child], poll: select.poll) -> list[int]:
    """Wait for news; the descriptors of children that have said everything, or took too long."""
    first = min(child.deadline for child in working.values())
    ended = []
    for descriptor, _ in poll.poll(max(0, first - time.monotonic()) * 1000 + 1):
        block = os.read(descriptor, _BLOCK)
        working[descriptor].said += block
        if not block:
            ended.append(descriptor)
    now = time.monotonic()
    late = [number for number, child in working.items() if child.deadline <= now]
    return list(dict.fromkeys([*ended, *late]))


def _start(number: int, look: Look) -> tuple[int, _Child]:
    read, write = os.pipe()
    parent = os.getpid()
    # What a handler raises while a child is made could be raised twice, or be lost.
    allowed = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        pid = os.fork()
        if pid == 0:
            _work(look, write, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
    os.close(write)
    return read, _Child(number, look, pid, time.monotonic() + look.seconds, bytearray())


def _end(descriptor: int, child: _Child) -> list[Finding]:
    """End a child and whatever it has started, and take what it has said."""
    os.close(descriptor)
    for end in (os.killpg, os.kill):  # it may not lead a session yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    try:
        said = json.loads(child.said)
    except ValueError:
        late = child.deadline <= time.monotonic()
        why = f"no answer in {child.look.seconds:.0f} seconds" if late else "its process was killed"
        return [_odd(child.look, why, None)]
    if isinstance(said, str):
        return [_odd(child.look, said, _REPORT)]
    return [Finding(**one) for one in said]


def _odd(look: Look, why: str, remedy: str | None) -> Finding:
    found = f"could not be looked at: {why}"
    if look.needed:
        return missing(look.check, found, remedy, blocks=True)
    return warning(look.check, found, remedy)


def _refused(look: Look, error: OSError) -> Finding:
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    where = f"{name}: " if name else ""
    remedy = MOUNT_PROC if name.startswith("/proc/self/") else None
    return _odd(look, f"{where}{error.strerror}", remedy)


def _work(look: Look, write: int, parent: int) -> NoReturn:
    """Do the work of a child."""
    try:
        _settle(parent, look.seconds)
        try:
            found = look.look()
            some = [found] if isinstance(found, Finding) else list(found)
            answer: object = [asdict(one) for one in some]
        except ImgfetchError as error:
            answer = [asdict(of_error(look.check, error, blocks=look.needed))]
        except OSError as error:
            answer = [asdict(_refused(look, error))]
        except BaseException as error:  # noqa: BLE001 - told by the parent
            answer = f"{type(error).__name__}: {error}"[:_SAID]
        with open(write, "w", encoding="utf-8", errors="backslashreplace") as pipe:
            json.dump(answer, pipe)
    finally:
        os._exit(0)


def _settle(parent: int, seconds: float) -> None:
    """Have nothing in common with the terminal, and don't outlive the parent for long."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (*_ENDING, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # The kernel forgets this one when credentials change, as they do in namespaces.
    linux.die_with_parent(signal.SIGKILL)
    signal.alarm(int(seconds) + _GRACE)
    if os.getppid() != parent:
        os._exit(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
