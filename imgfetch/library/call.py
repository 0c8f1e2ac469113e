"""One call of a verb in a child process: started, listened to, ended with this process.

What the child tells is read by a thread, so that it never waits for whoever holds the call.
Nothing is forked here but to execute another program at once, so that calls are safe in
programs with any number of threads.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from imgfetch.errors import (
    InterruptedBySignalError,
    RuntimeFailedError,
    RuntimeMissingError,
)
from imgfetch.failures import from_message
from imgfetch.fs.atomic import write_all
from imgfetch.library import interpreter, wire
from imgfetch.library.events import Event, StartedEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, TypeAlias

    from imgfetch.client import Settings

    Stream: TypeAlias = int | IO[Any] | None

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that end a call, and with it the container where that does not take them."""

_FIRST_FREE: Final = 3


class Call:
    """A verb at work in a process of its own.

    Attributes:
        process: the child; it is waited for here.
        started: what is known of the container, once it starts; None for other verbs.
    """

    def __init__(
        self,
        settings: Settings,
        verb: str,
        arguments: dict[str, Any],
        *,
        python: str,
        progress: Callable[[Event], object] | None,
        streams: tuple[Stream, Stream, Stream],
        **text: Any,
    ) -> None:
        """Start it.

        Args:
            settings: of the client.
            verb: one of `imgfetch.library.child.VERBS`.
            arguments: the verb's; values that `wire` takes.
            python: path of the interpreter.
            progress: told of events, by a thread; what it raises ends the work.
            streams: standard input, output and error, as `subprocess.Popen` takes them.
            text: further arguments of `subprocess.Popen`.

        Raises:
            RuntimeMissingError: the interpreter can't be started.
        """
        self._progress = progress
        self.started: StartedEvent | None = None
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._answer: dict[str, Any] | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        request = wire.dumps(
            {
                "settings": wire.encode(settings),
                "verb": verb,
                "arguments": wire.encode(arguments),
                "progress": progress is not None,
            }
        )
        requests, self._hold = _pipe()
        self._reports, reports = _pipe()
        try:
            self.process = self._start(python, requests, reports, streams, text)
        except BaseException:
            os.close(self._hold)
            os.close(self._reports)
            raise
        finally:
            os.close(requests)
            os.close(reports)
        self._listener = threading.Thread(target=self._listen, name="imgfetch-call", daemon=True)
        try:
            # Before anybody listens: who does closes this descriptor when the child has ended.
            with suppress(BrokenPipeError):
                write_all(self._hold, request)
            self._listener.start()
        except BaseException:
            self.abandon()  # or the child would wait for as long as this process lives
            raise

    @staticmethod
    def _start(
        python: str,
        requests: int,
        reports: int,
        streams: tuple[Stream, Stream, Stream],
        text: dict[str, Any],
    ) -> subprocess.Popen[Any]:
        stdin, stdout, stderr = streams
        try:
            return subprocess.Popen(
                interpreter.command(python, requests, reports),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(requests, reports),
                **text,
            )
        except OSError as error:
            message = f"{python} can't be started: {error.strerror}"
            raise RuntimeMissingError(message) from error

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - what the verb returned
        """Wait for the end, and give what the verb returned.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: it goes on after that time.
            ImgfetchError: as the verb raised it.
        """
        self.wait_for_end(timeout)
        if self._failure is not None:
            raise self._failure
        answer = self._answer
        if answer is None:
            status = self.process.returncode
            if -status in ENDING:  # before it had come far enough to say so
                raise InterruptedBySignalError(-status)
            how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
            message = f"the process that did the work {how}"
            raise RuntimeFailedError(message)
        if "value" in answer:
            return wire.decode(answer["value"])
        raise from_message(answer)

    def has_ended(self) -> bool:
        """Whether `result` has no need to wait."""
        return self._ended.is_set()

    def wait_for_end(self, timeout: float | None = None) -> None:
        """Wait for the end, however it was; nothing of the call is left afterwards.

        Raises:
            TimeoutError: it goes on after that time.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError
        if threading.current_thread() is not self._listener:
            self._listener.join()

    def wait_for_start(self) -> None:
        """Wait until the container starts, or it is clear that it will not."""
        self._begun.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal to the child, which passes it on; nothing happens after its end."""
        with self._lock:
            if self.process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(self.process.pid, number)

    def abandon(self) -> None:
        """End the work at once, and with it the container; there is something to wait for yet."""
        with self._lock:
            if self._hold >= 0:
                os.close(self._hold)
                self._hold = -1

    def _listen(self) -> None:
        try:
            with open(self._reports, "rb") as reports:
                self._read(reports)
        except Exception as failure:  # noqa: BLE001 - raised where the result is asked for
            self._failure = failure
            self.abandon()
        finally:
            self.process.wait()
            self.abandon()
            self._ended.set()
            self._begun.set()

    def _read(self, reports: IO[bytes]) -> None:
        """Take what the child tells, up to its answer."""
        for line in reports:
            # A child that is killed may have told a part of something, which is nothing.
            if not line.endswith(b"\n"):
                return
            message = wire.loads(line)
            if "event" not in message:
                self._answer = message
                return
            self._take(wire.decode(message["event"]))

    def _take(self, event: Event) -> None:
        if isinstance(event, StartedEvent):
            self.started = event
            self._begun.set()
        if self._progress is None or self._failure is not None:
            return
        try:
            self._progress(event)
        except BaseException as failure:  # noqa: BLE001 - raised where the result is asked for
            self._failure = failure
            self.abandon()


def _pipe() -> tuple[int, int]:
    """A pipe that is no standard stream of the child's, also where the caller's are closed."""
    ends = os.pipe()
    if min(ends) >= _FIRST_FREE:
        return ends
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
