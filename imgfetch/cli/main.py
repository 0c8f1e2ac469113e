"""The entry point: one command, its errors, its exit status.

Commands are imported when they are called. A failure of ours ends with the status
of its class, a failure of ours in ``run`` with 125 as docker and podman have it, and
an exception that nobody planned with 1 and a request to report it. What that takes is
imported when something has failed: few commands do.
"""

from __future__ import annotations

import os
import sys

from imgfetch import cli
from imgfetch.cli.invocation import Invocation
from imgfetch.errors import CommandError, ImgfetchError, InterruptedBySignalError
from imgfetch.lean import signal
from imgfetch.lean.typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)

# -vv
_TRACEBACK = 2

_STDERR = 2

# Of `imgfetch.cli.exitcodes`.
_SIGNAL_BASE = 128

# Set by shells that ask what a word could become.
_COMPLETION = "_IMGFETCH_COMPLETE"


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    _ensure_standard_streams()
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see `imgfetch.cli`
    for number in _ENDING:
        # Python's default for both skips every `finally`.
        signal.signal(number, _interrupt)
    try:
        status = invoke(sys.argv[1:])
    except InterruptedBySignalError as failure:
        # While another failure was told: `invoke` takes all that come before.
        status = _SIGNAL_BASE + failure.signal_number
    try:
        for number in _ENDING:
            # There is nothing left that a signal could interrupt in good order.
            signal.signal(number, signal.SIG_DFL)
        sys.stdout.flush()
    except BrokenPipeError:
        # As cat and others do when the reader has gone: quietly, by SIGPIPE's status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = _SIGNAL_BASE + signal.SIGPIPE
    if cli.modules:
        cli.modules.update()
    # What is written is written. To take the interpreter apart as well would take milliseconds.
    os._exit(status)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    invocation = Invocation()
    try:
        status = _dispatch(arguments, invocation)
    except KeyboardInterrupt:
        status = _SIGNAL_BASE + signal.SIGINT
    except BrokenPipeError:
        status = _SIGNAL_BASE + signal.SIGPIPE
    except ImgfetchError as failure:
        status = _failed(failure, invocation)
    except Exception as failure:  # noqa: BLE001 - the last line of defence: reported as a bug
        status = _bug(failure, invocation.command, verbose=invocation.verbose)
    return status


def _dispatch(arguments: Sequence[str], invocation: Invocation) -> int:
    """Run a command line: those of ``run`` by themselves if they are plain, others by click."""
    if _COMPLETION in os.environ:
        from imgfetch.cli.completion.answer import answer

        return answer(os.environ[_COMPLETION], arguments)
    from imgfetch.cli import quick

    understood = quick.understand(arguments)
    if understood is None:
        from imgfetch.cli.root import run_by_click

        return run_by_click(arguments, invocation)
    from imgfetch.cli.running import run

    invocation.command = quick.COMMAND
    invocation.take(understood.options)
    return run(invocation, understood.reference, understood.arguments, understood.values)


def _failed(failure: ImgfetchError, invocation: Invocation) -> int:
    from imgfetch.cli import output

    if invocation.verbose >= _TRACEBACK:
        _traceback(failure)
    status = _status(failure, invocation.command)
    if invocation.log_format == "json":
        output.error_event(failure, status)
    else:
        output.error(failure)
    return status


def _status(failure: ImgfetchError, command: str | None) -> int:
    from imgfetch.cli import exitcodes

    if command in exitcodes.CONTAINER_COMMANDS and isinstance(failure, CommandError):
        return failure.status
    if command in exitcodes.CONTAINER_COMMANDS and not isinstance(
        failure, InterruptedBySignalError
    ):
        return exitcodes.RUN_FAILED
    return exitcodes.for_error(failure)


def _bug(failure: Exception, command: str | None, *, verbose: int) -> int:
    from imgfetch.cli import exitcodes, output

    if verbose >= _TRACEBACK:
        _traceback(failure)
    output.message(f"imgfetch: a bug in imgfetch: {type(failure).__name__}: {failure}")
    output.message("  please report it, with what this command prints with -vv")
    return exitcodes.RUN_FAILED if command in exitcodes.CONTAINER_COMMANDS else exitcodes.BUG


def _traceback(failure: BaseException) -> None:
    import traceback

    from imgfetch.cli import output

    for line in "".join(traceback.format_exception(failure)).splitlines():
        output.message(line)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise InterruptedBySignalError(number)


def _ensure_standard_streams() -> None:
    """Let no file of ours become descriptor 0, 1 or 2 when the caller closed them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process
