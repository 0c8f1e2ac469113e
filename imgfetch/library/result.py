"""What came of a run."""

from __future__ import annotations

from imgfetch.bundle.options import PublishedPort
from imgfetch.errors import ContainerExitError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any, Generic, TypeVar
from imgfetch.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Output = TypeVar("Output", bytes, str)


@dataclass(frozen=True, slots=True)
class RunResult(Generic[Output]):
    """What came of a run: as `subprocess.CompletedProcess`, and what ``--result`` has.

    Attributes:
        argv: of the container's process, entrypoint included.
        returncode: the container's exit status; 128+n after signal n.
        stdout: what was captured of it; empty where nothing was.
        stderr: the same.
        image: its name, as given.
        digest: of the image's manifest.
        container_id: the container's.
        signal: n for a return code of 128+n, which runtimes don't tell apart; else None.
        timed_out: whether it was stopped because its time was over.
        oom_kills: how many of its processes were killed for want of memory; 0 without a limit.
        started_at: when the call began, in UTC.
        ended_at: when all was over, in UTC.
        ports: those published.
        kept: path of what the container wrote, where that was asked for.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: Output
    stderr: Output
    image: str
    digest: Digest
    container_id: str
    signal: int | None
    timed_out: bool
    oom_kills: int
    started_at: datetime
    ended_at: datetime
    ports: tuple[PublishedPort, ...] = ()
    kept: str | None = None

    @property
    def oom_killed(self) -> bool:
        """Whether processes were killed for want of memory."""
        return self.oom_kills > 0

    def check_returncode(self) -> None:
        """Raise an error unless the return code is 0.

        Raises:
            ContainerExitError: it is another.
        """
        if self.returncode:
            command = self.argv[0] if self.argv else "the command"
            message = f"{command} in a container of {self.image} exited with {self.returncode}"
            raise ContainerExitError(
                message, returncode=self.returncode, stdout=self.stdout, stderr=self.stderr
            )


def result_of(document: Mapping[str, Any], stdout: Output, stderr: Output) -> RunResult[Output]:
    """A result from the document of `imgfetch.workflow.result`."""
    from datetime import datetime

    return RunResult(
        argv=tuple(document["argv"]),
        returncode=document["exit_code"],
        stdout=stdout,
        stderr=stderr,
        image=document["image"],
        digest=Digest.parse(document["digest"]),
        container_id=document["container_id"],
        signal=document["signal"],
        timed_out=document["timed_out"],
        oom_kills=document["oom_kills"],
        started_at=datetime.fromisoformat(document["started_at"]),
        ended_at=datetime.fromisoformat(document["ended_at"]),
        ports=tuple(PublishedPort(**port) for port in document["ports"]),
        kept=document["kept"],
    )
