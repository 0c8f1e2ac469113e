"""``--result``: what a run came to, as a document for programs.

An exit status alone does not tell a container that said 125 from a run that failed. The
document is written when the run ends, however it ends, and shows up whole; one that is
not there means that this process was killed.
"""

from __future__ import annotations

import os
import time

from imgfetch.errors import CommandError, ImgfetchError, InterruptedBySignalError, UsageError
from imgfetch.fs.atomic import staged_file, write_all
from imgfetch.lean import json
from imgfetch.lean.contextlib import ExitStack, contextmanager, suppress
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_FAILED: Final = 125
_SIGNAL_BASE: Final = 128
_LAST_SIGNAL: Final = 64
_INTERRUPT: Final = 2
_MODE: Final = 0o644


@dataclass(slots=True)
class RunRecord:
    """What is known of a run; filled in while it goes on.

    Attributes:
        image: the reference, as given.
        digest: of the image's manifest; None where it was not found.
        container_id: None where the run did not come that far.
        argv: of the container's process; None where it is not known.
        exit_code: the container's; None where it did not run.
        timed_out: whether it was stopped because its time was over.
        oom_kills: how many of its processes were killed for want of memory.
        ports: those published: address, host_port, container_port and protocol.
        kept: path of what the container wrote.
        started_at: seconds since the epoch.
        on_begin: called right before the container starts, when its id and argv are known.
    """

    image: str | None = None
    digest: str | None = None
    container_id: str | None = None
    argv: list[str] | None = None
    exit_code: int | None = None
    timed_out: bool = False
    oom_kills: int = 0
    ports: list[dict[str, Any]] = field(default_factory=list)
    kept: str | None = None
    started_at: float = field(default_factory=time.time)
    on_begin: Callable[[RunRecord], None] | None = None

    def document(self, failure: BaseException | None, ended_at: float) -> dict[str, Any]:
        """The document.

        Args:
            failure: what ended the run if it was not the container.
            ended_at: seconds since the epoch.
        """
        code = self.exit_code if failure is None else status_of(failure)
        return {
            "image": self.image,
            "digest": self.digest,
            "container_id": self.container_id,
            "argv": self.argv,
            "exit_code": code,
            "signal": _signal(code),
            "oom_killed": self.oom_kills > 0,
            "oom_kills": self.oom_kills,
            "timed_out": self.timed_out,
            "started_at": _rfc3339(self.started_at),
            "ended_at": _rfc3339(ended_at),
            "ports": self.ports,
            "kept": self.kept,
            "error": None if failure is None else _error(failure),
        }


def status_of(failure: BaseException) -> int:
    """The exit status of a run that a failure ended: as in docker and podman."""
    if isinstance(failure, CommandError):
        return failure.status
    if isinstance(failure, InterruptedBySignalError):
        return _SIGNAL_BASE + failure.signal_number
    if isinstance(failure, KeyboardInterrupt):
        return _SIGNAL_BASE + _INTERRUPT
    return _FAILED


@contextmanager
def recorded(path: str) -> Generator[RunRecord]:
    """Write a result at the end of this context, whatever ends it.

    What an earlier run has left is removed first: it would be taken for this one's.

    Raises:
        UsageError: the file can't be made.
    """
    record = RunRecord()
    failure: BaseException | None = None
    with ExitStack() as stack:
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)
            fd = stack.enter_context(staged_file(os.path.abspath(path), mode=_MODE))
        except OSError as error:
            message = f"--result {path}: {error.strerror}"
            raise UsageError(message) from error
        try:
            yield record
        except BaseException as caught:  # noqa: BLE001 - raised again, when it is written down
            failure = caught
        write_all(fd, encode(record.document(failure, time.time())))
    if failure is not None:
        raise failure


def encode(document: dict[str, Any]) -> bytes:
    """The document's bytes; words that are no UTF-8 are written as JSON escapes."""
    return json.dumps(document, indent=2).encode() + b"\n"


def _signal(code: int | None) -> int | None:
    """The signal that a status stands for; runtimes give nothing but the status."""
    if code is None or not _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        return None
    return code - _SIGNAL_BASE


def _error(failure: BaseException) -> dict[str, Any]:
    lines = failure.lines() if isinstance(failure, ImgfetchError) else [str(failure)]
    return {"kind": type(failure).__name__, "message": "\n".join(lines)}


def _rfc3339(moment: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment * 1000) % 1000:03}Z"
