"""Further commands in containers that run in the background."""

from __future__ import annotations

from imgfetch.errors import ContainerExitError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any, Generic, Literal, overload
from imgfetch.library.child_verbs import ChildVerbs
from imgfetch.library.keywords import variables, words
from imgfetch.library.result import Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgfetch.library.keywords import Word


@dataclass(frozen=True, slots=True)
class ExecResult(Generic[Output]):
    """What came of a command in a container.

    Attributes:
        argv: the command and its arguments.
        returncode: its exit status; 128+n after signal n.
        stdout: its standard output.
        stderr: its standard error.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: Output
    stderr: Output


class ExecVerbs(ChildVerbs):
    """The part of `Client` that runs commands in containers of `start`."""

    @overload
    def execute(
        self,
        container: str,
        argv: str | Sequence[Word],
        *,
        input: bytes | None = None,
        text: Literal[False] = False,
        env: Mapping[str, str | None] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        check: bool = True,
    ) -> ExecResult[bytes]: ...

    @overload
    def execute(
        self,
        container: str,
        argv: str | Sequence[Word],
        *,
        input: str | None = None,
        text: Literal[True],
        env: Mapping[str, str | None] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        check: bool = True,
    ) -> ExecResult[str]: ...

    def execute(
        self,
        container: str,
        argv: str | Sequence[Word],
        *,
        input: bytes | str | None = None,  # noqa: A002 - as in subprocess
        text: bool = False,
        env: Mapping[str, str | None] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        check: bool = True,
    ) -> ExecResult[bytes] | ExecResult[str]:
        """Run a further command in a container that runs, and wait for it.

        >>> container = client.start("alpine:3", ["sleep", "600"])
        >>> client.execute(container, ["echo", "here"], text=True).stdout.strip()
        'here'
        >>> list(client.discard([container], force=True)) == [container]
        True

        Args:
            container: its name, its id, or the beginning of that.
            argv: the command and its arguments.
            input: for standard input; there is nothing to read by default.
            text: whether input and output are text, in UTF-8.
            env: variables besides the container's; None for one that is taken away.
            user: None for the container's.
            workdir: None for the container's.
            check: whether an exit status other than 0 is an error.

        Returns:
            What came of it.

        Raises:
            StoreError: there is no such container, or it does not run.
            ContainerExitError: the exit status is not 0, with ``check``.
            CommandError: the command is not there, or can't be executed.
        """
        from subprocess import DEVNULL, PIPE

        from imgfetch.workflow.execute import Command

        command = Command(
            words(argv), variables(env or {}), user, workdir, interactive=input is not None
        )
        call = self._call(
            "execute",
            {"name": container, "command": command},
            (DEVNULL if input is None else PIPE, PIPE, PIPE),
            **({"encoding": "utf-8"} if text else {}),
        )
        try:
            stdout, stderr = call.process.communicate(input)
            returncode: int = call.result()
        except BaseException:
            call.abandon()
            call.wait_for_end()
            raise
        result: ExecResult[Any] = ExecResult(command.args, returncode, stdout, stderr)
        if check and returncode:
            message = f"{command.args[0]} in container {container} exited with {returncode}"
            raise ContainerExitError(message, returncode=returncode, stdout=stdout, stderr=stderr)
        return result
