"""A container in the foreground of a program: as `subprocess.Popen` is a process."""

from __future__ import annotations

import signal
import subprocess

from imgfetch.errors import ContainerTimeoutError, InterruptedBySignalError
from imgfetch.lean.typing import TYPE_CHECKING, Final, Generic
from imgfetch.library.call import ENDING, Call
from imgfetch.library.result import Output, RunResult, result_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Self

_SIGNAL_BASE: Final = 128


class RunProcess(Generic[Output]):
    """A container that runs, or is on its way to: its image may have to be fetched first.

    Used as a context manager, it is waited for at the end of the block, and killed if the
    block ends with an exception. It ends with this program, however that ends, and does not
    end with the thread that started it. Methods may be called from any thread; each stream
    is for one thread at a time.

    Each method that waits raises what the run failed with if the container never ran, as
    `Client.run` does.

    Attributes:
        stdin: the container's standard input, if it is a pipe.
        stdout: the container's standard output, if it is a pipe.
        stderr: the container's standard error, if it is a pipe.
    """

    def __init__(self, call: Call, empty: Output) -> None:
        self._call: Call = call
        self._empty: Output = empty
        process: subprocess.Popen[Output] = call.process
        self.stdin: IO[Output] | None = process.stdin
        self.stdout: IO[Output] | None = process.stdout
        self.stderr: IO[Output] | None = process.stderr
        self._captured: tuple[Output, Output] = (empty, empty)

    @property
    def pid(self) -> int:
        """The process that watches over the container: not the container's own."""
        return self._call.process.pid

    @property
    def container_id(self) -> str | None:
        """The container's id; None until it starts."""
        started = self._call.started
        return None if started is None else started.container_id

    @property
    def returncode(self) -> int | None:
        """As `poll`."""
        return self.poll()

    def poll(self) -> int | None:
        """The container's exit status; None while it goes on."""
        return self.wait() if self._call.has_ended() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Pipes have to be read meanwhile: see `communicate`.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Returns:
            The container's exit status; 128+n after signal n, also where that ended it
            before it ran.

        Raises:
            ContainerTimeoutError: the container goes on after that time.
        """
        try:
            document = self._call.result(timeout)
        except TimeoutError:
            raise _goes_on(timeout) from None
        except InterruptedBySignalError as error:
            return _SIGNAL_BASE + error.signal_number
        returncode: int = document["exit_code"]
        return returncode

    def communicate(
        self,
        input: Output | None = None,  # noqa: A002 - as in subprocess
        timeout: float | None = None,
    ) -> tuple[Output, Output]:
        """Write standard input, read the pipes, wait for the end.

        Args:
            input: for standard input, if it is a pipe.
            timeout: seconds to wait; None for as long as it takes.

        Returns:
            What came on standard output and standard error; empty where there is no pipe.

        Raises:
            ContainerTimeoutError: the container goes on after that time. It can be called
                again, and nothing is lost.
        """
        try:
            output, errors = self._call.process.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            raise _goes_on(timeout, error.stdout, error.stderr) from None
        self._captured = (output or self._empty, errors or self._empty)
        self.wait()
        return self._captured

    def result(self) -> RunResult[Output]:
        """Wait for the end, and tell what came of it, with what `communicate` has read.

        Raises:
            InterruptedBySignalError: it was ended by a signal before it ran.
        """
        return result_of(self._call.result(), *self._captured)

    def send_signal(self, number: int) -> None:
        """Send a signal to the container; before it starts, SIGTERM and the like end the run.

        Other signals wait for the container, and this method with them.
        """
        if number == signal.SIGKILL:
            self.kill()
            return
        if number not in ENDING:
            self._call.wait_for_start()
        self._call.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the container at once; nothing of it is left."""
        self._call.abandon()

    def __enter__(self) -> Self:
        """Wait for it at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pipes and wait; kill it first if the block failed."""
        if kind is not None:
            self.kill()
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        try:
            if self.stdin is not None:
                self.stdin.close()
        except BrokenPipeError:
            pass  # what was not written yet, nobody reads any more
        finally:
            if kind is None:
                self.wait()
            else:
                self._call.wait_for_end()


def _goes_on(
    timeout: float | None, stdout: Output | None = None, stderr: Output | None = None
) -> ContainerTimeoutError:
    message = f"the container goes on after {timeout} seconds"
    return ContainerTimeoutError(message, stdout=stdout, stderr=stderr)
