"""The verbs that run containers: as `subprocess` runs programs."""

from __future__ import annotations

from imgfetch.errors import ContainerTimeoutError, UsageError
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final, Literal, overload
from imgfetch.library import keywords
from imgfetch.library.child_verbs import ChildVerbs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from imgfetch.client.image_verbs import ImageLike
    from imgfetch.library.call import Call, Stream
    from imgfetch.library.keywords import ContainerOptions, RunKeywords, Word
    from imgfetch.library.process import RunProcess
    from imgfetch.library.result import RunResult
    from imgfetch.workflow.obtain import Policy

# Those of `subprocess`, for programs that need nothing else of it.
PIPE: Final = -1
STDOUT: Final = -2
DEVNULL: Final = -3


class RunVerbs(ChildVerbs):
    """The part of `Client` that runs containers."""

    @overload
    def run(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        input: bytes | None = None,
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        text: Literal[False] = False,
        timeout: float | None = None,
        check: bool = True,
        **options: Unpack[RunKeywords],
    ) -> RunResult[bytes]: ...

    @overload
    def run(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        input: str | None = None,
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        text: Literal[True],
        encoding: str = "utf-8",
        errors: str = "strict",
        timeout: float | None = None,
        check: bool = True,
        **options: Unpack[RunKeywords],
    ) -> RunResult[str]: ...

    def run(  # noqa: PLR0913 - keywords of subprocess.run
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        input: bytes | str | None = None,  # noqa: A002 - as in subprocess
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        text: bool = False,
        encoding: str = "utf-8",
        errors: str = "strict",
        timeout: float | None = None,
        check: bool = True,
        **options: Unpack[RunKeywords],
    ) -> RunResult[bytes] | RunResult[str]:
        """Run a command in a container of an image, and wait for it.

        The image is fetched if it is not in the store. As with `subprocess.run`, streams are
        files, descriptors, or None for this program's own; unlike there, output is captured
        by default.

        >>> client.run("alpine:3", ["tr", "a-z", "A-Z"], input="hello", text=True).stdout
        'HELLO'
        >>> client.run("alpine:3", ["sh", "-c", "exit $A"], env={"A": "3"}, check=False).returncode
        3

        Args:
            image: an image name.
            argv: the words after the image; None for the image's own command.
            input: for standard input.
            stdin: standard input, where there is no ``input``; there is nothing to read by
                default.
            stdout: standard output.
            stderr: standard error; ``STDOUT`` for the same as that. No word of ours is in it.
            text: whether input and output are text.
            encoding: of text.
            errors: what to do about bytes that are no text, see `bytes.decode`.
            timeout: seconds that the container may run, before it is stopped as
                ``stop_timeout`` says; fetching does not count.
            check: whether an exit status other than 0 is an error.
            **options: see `RunKeywords`.

        Returns:
            What came of it.

        Raises:
            ContainerExitError: the exit status is not 0, with ``check``.
            ContainerTimeoutError: it was stopped because its time was over.
            CommandError: the command is not there, or can't be executed.
            BundleError: the options are impossible, or not with this image.
            RuntimeFailedError: the runtime is missing or failed.
        """
        if input is not None:
            if stdin != DEVNULL:
                message = "input and stdin contradict each other"
                raise UsageError(message)
            stdin = PIPE
        call = self._begin(
            image, argv, (stdin, stdout, stderr), _text(text, encoding, errors), timeout, options
        )
        from imgfetch.library.process import RunProcess  # and subprocess with it

        with RunProcess[Any](call, _empty(text)) as process:
            process.communicate(input)
            result: RunResult[Any] = process.result()
        if result.timed_out:
            message = f"a container of {result.image} was stopped after {timeout} seconds"
            raise ContainerTimeoutError(
                message, returncode=result.returncode, stdout=result.stdout, stderr=result.stderr
            )
        if check:
            result.check_returncode()
        return result

    @overload
    def popen(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        text: Literal[False] = False,
        timeout: float | None = None,
        **options: Unpack[RunKeywords],
    ) -> RunProcess[bytes]: ...

    @overload
    def popen(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        text: Literal[True],
        encoding: str = "utf-8",
        errors: str = "strict",
        timeout: float | None = None,
        **options: Unpack[RunKeywords],
    ) -> RunProcess[str]: ...

    def popen(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        text: bool = False,
        encoding: str = "utf-8",
        errors: str = "strict",
        timeout: float | None = None,
        **options: Unpack[RunKeywords],
    ) -> RunProcess[bytes] | RunProcess[str]:
        """Run a command in a container of an image, and don't wait for it: see `run`.

        >>> with client.popen("alpine:3", ["cat"], stdin=PIPE, stdout=PIPE) as process:
        ...     process.communicate(b"hello")
        (b'hello', b'')

        Args:
            image: an image name.
            argv: the words after the image; None for the image's own command.
            stdin: standard input, as `subprocess.Popen` takes it; this program's by default.
            stdout: standard output, the same.
            stderr: standard error, the same.
            text: whether pipes carry text.
            encoding: of text.
            errors: what to do about bytes that are no text.
            timeout: seconds that the container may run.
            **options: see `RunKeywords`.

        Returns:
            The running container, or the one that is going to: what fails is raised when it
            is waited for.
        """
        streams = (stdin, stdout, stderr)
        how = _text(text, encoding, errors)
        call = self._begin(image, argv, streams, how, timeout, options)
        from imgfetch.library.process import RunProcess  # and subprocess with it

        return RunProcess[Any](call, _empty(text))

    def start(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        remove: bool = False,
        timeout: float | None = None,
        **options: Unpack[RunKeywords],
    ) -> str:
        """Run a container in the background: it goes on when this program has ended.

        `containers`, `logs`, `stop`, `kill`, `wait` and `discard` are for those.

        >>> container = client.start("alpine:3", ["sleep", "600"])
        >>> client.kill(container, 9)
        >>> client.wait(container)
        137
        >>> list(client.discard([container])) == [container]
        True

        Args:
            image: an image name.
            argv: the words after the image; None for the image's own command.
            remove: whether nothing is to be left of it when it has ended.
            timeout: seconds that it may run.
            **options: see `RunKeywords`; not ``keep``.

        Returns:
            The container's id, once it has started.
        """
        arguments = self._arguments(image, argv, options, timeout, interactive=False)
        container_id: str = self._do("start", **arguments, remove=remove)
        return container_id

    def spec(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None = None,
        *,
        platform: str | None = None,
        policy: Policy = "missing",
        **options: Unpack[ContainerOptions],
    ) -> dict[str, Any]:
        """The runtime specification that `run` would use; the store stays as it is.

        >>> client.spec("alpine:3", ["ls"], workdir="/tmp")["process"]["cwd"]
        '/tmp'
        """
        chosen = keywords.run_options(argv, options, self._collaborators.settings)
        document: dict[str, Any] = self._do(
            "spec", name=str(image), options=chosen, platform=platform, policy=policy
        )
        return document

    def bundle(
        self,
        image: ImageLike,
        directory: str,
        argv: str | Sequence[Word] | None = None,
        *,
        rootless: bool = False,
        platform: str | None = None,
        policy: Policy = "missing",
        **options: Unpack[ContainerOptions],
    ) -> None:
        """An OCI bundle in a directory, with the options of a run applied.

        >>> client.bundle("alpine:3", f"{directory}/bundle", ["ls"], network="none")

        Args:
            image: an image name.
            directory: absent or empty.
            argv: the words after the image; None for the image's own command.
            rootless: for an ordinary user to run, also when root asks.
            platform: see `resolve`.
            policy: when to ask the registry.
            **options: see `ContainerOptions`.
        """
        from imgfetch.client.bundles import Unpacking

        self._do(
            "unpack",
            name=str(image),
            directory=directory,
            options=keywords.run_options(argv, options, self._collaborators.settings),
            unpacking=Unpacking(rootless=rootless),
            platform=platform,
            policy=policy,
        )

    def _arguments(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None,
        given: RunKeywords,
        timeout: float | None,
        *,
        interactive: bool,
    ) -> dict[str, Any]:
        options, rest = keywords.split(given)
        return {
            "name": str(image),
            "options": keywords.run_options(
                argv, options, self._collaborators.settings, interactive=interactive
            ),
            "supervision": keywords.supervision(rest, timeout),
            "platform": rest.pop("platform", None),
            "policy": rest.pop("policy", "missing"),
        }

    def _begin(
        self,
        image: ImageLike,
        argv: str | Sequence[Word] | None,
        streams: tuple[Stream, Stream, Stream],
        text: dict[str, Any],
        timeout: float | None,
        given: RunKeywords,
    ) -> Call:
        interactive = streams[0] != DEVNULL
        arguments = self._arguments(image, argv, given, timeout, interactive=interactive)
        return self._call("run", arguments, streams, **text)


def _text(text: bool, encoding: str, errors: str) -> dict[str, Any]:  # noqa: FBT001 - internal
    return {"encoding": encoding, "errors": errors} if text else {}


def _empty(text: bool) -> str | bytes:  # noqa: FBT001 - internal
    return "" if text else b""
