"""The program behind verbs that need a process of their own; `imgfetch.library.call` starts it.

It reads what to do from one pipe and tells about it through another. The first one stays open
for as long as the caller lives and wants the work: when it is closed, however that came, the
work ends as at a signal, and with it the container. That is no matter of ``PR_SET_PDEATHSIG``,
which the kernel sends when the *thread* ends that has started a process.
"""

from __future__ import annotations

import fcntl
import os
import select

from imgfetch.errors import InterruptedBySignalError
from imgfetch.failures import to_message
from imgfetch.fs.atomic import write_all
from imgfetch.lean import signal
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final, NoReturn
from imgfetch.library import wire
from imgfetch.library.events import BlobEvent, CallbackProgress, StartedEvent
from imgfetch.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from imgfetch.client import Client
    from imgfetch.library.events import Event
    from imgfetch.workflow.result import RunRecord

_BLOCK: Final = 65536
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# Supervision passes these on, as soon as it is there to take them. Until then nobody waits for
# SIGWINCH, and it does no harm by itself.
_PASSED_ON: Final = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_PAUSE: Final = 0.005

# What a program may ask for; all other verbs do without a process of their own.
VERBS: Final = frozenset(
    {"check", "collect", "discard", "doctor", "execute", "export", "prepare", "prune", "pull",
     "run", "spec", "start", "unpack"}
)  # fmt: skip


def main(requests: int, reports: int) -> NoReturn:
    """Do one piece of work.

    Args:
        requests: descriptor of a pipe with a line that says what; its end is the caller's.
        reports: descriptor of a pipe for events, and what came of it.
    """
    for descriptor in (requests, reports):
        # Not for containers and what else is executed.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    try:
        answer = _work(requests, lambda message: _say(reports, message))
    except BaseException as failure:  # noqa: BLE001 - told to the caller, who raises it
        answer = to_message(failure)
    finally:
        for number in (*_ENDING, *_PASSED_ON, signal.SIGIO):
            # There is nothing left that could be interrupted in good order.
            signal.signal(number, signal.SIG_IGN)
    try:
        write_all(reports, wire.dumps(answer))
    finally:
        os._exit(0)


def _work(requests: int, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    from imgfetch.client import Client
    from imgfetch.runtime.terminal import ensure_standard_descriptors

    ensure_standard_descriptors()
    _take_signals()
    request = wire.loads(_line(requests))
    _end_with_caller(requests)
    tells = request["progress"]

    def on_event(event: Event) -> None:
        if tells or not isinstance(event, BlobEvent):
            say({"event": wire.encode(event)})

    settings = wire.decode(request["settings"])
    verb = request["verb"]
    arguments = wire.decode(request["arguments"])
    if verb not in VERBS:
        message = f"{verb} is nothing for a process of its own"
        raise ValueError(message)
    with Client(settings, progress=CallbackProgress(on_event)) as client:
        if verb == "run":
            value: Any = _run(client, arguments, on_event, lambda: _end_with_caller(requests))
        elif verb == "discard":
            value = list(client.discard(**arguments))
        else:
            value = getattr(client, verb)(**arguments)
    return {"value": wire.encode(value)}


def _run(
    client: Client,
    arguments: dict[str, Any],
    on_event: Callable[[Event], None],
    end_with_caller: Callable[[], None],
) -> dict[str, Any]:
    """Run a container; returns the document that ``--result`` writes."""
    import time

    from imgfetch.workflow.result import RunRecord

    def begun(record: RunRecord) -> None:
        # Again: this may be another user by now, whom the kernel would not send the signal.
        end_with_caller()
        on_event(
            StartedEvent(
                record.container_id or "",
                record.image or "",
                Digest.parse(record.digest or ""),
                tuple(record.argv or ()),
            )
        )

    record = RunRecord(image=arguments["name"], on_begin=begun)
    arguments["supervision"] = replace(arguments["supervision"], record=record)
    try:
        client.run(**arguments)
    except InterruptedBySignalError as failure:
        if record.argv is None:
            raise
        return record.document(failure, time.time())
    return record.document(None, time.time())


def _line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, _BLOCK)
        if not piece:
            raise InterruptedBySignalError(signal.SIGKILL)
        line += piece
    return line


def _say(reports: int, message: dict[str, Any]) -> None:
    # Several processes and threads tell at once; up to PIPE_BUF bytes stay in one piece.
    # Nobody may be there to listen: a detached container's supervision goes on all the same.
    with suppress(OSError):
        write_all(reports, wire.dumps(message))


# Signals


def _take_signals() -> None:
    """Have signals do what they do to the command line, whatever the caller's thread blocks."""
    # Where SIGCHLD is ignored, which is inherited, ended children vanish unseen.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _ENDING:
        signal.signal(number, _interrupt)
    _postpone(_PASSED_ON)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise InterruptedBySignalError(number)


def _postpone(numbers: tuple[int, ...]) -> None:
    """Have signals come again until they are blocked, and with that taken by supervision."""
    waiting: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        # Sent from here, it would be taken inside of this very call, over and over.
        waiting.append(number)
        signal.setitimer(signal.ITIMER_REAL, _PAUSE)

    def send(_number: int, _frame: FrameType | None) -> None:
        kept = waiting[:]
        waiting.clear()
        for number in kept:
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGALRM, send)
    for number in numbers:
        signal.signal(number, keep)


def _end_with_caller(requests: int) -> None:
    """End when the other end of a pipe is closed: pipe(7) tells by a signal, see O_ASYNC."""
    poll = select.poll()
    poll.register(requests, select.POLLHUP)

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        if poll.poll(0):
            raise InterruptedBySignalError(signal.SIGKILL)

    signal.signal(signal.SIGIO, hang_up)
    fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(requests, fcntl.F_SETFL, fcntl.fcntl(requests, fcntl.F_GETFL) | os.O_ASYNC)
    hang_up(signal.SIGIO, None)
