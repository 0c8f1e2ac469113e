"""Every failure's exit status and form."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from imgfetch import errors
from imgfetch.cli import exitcodes
from imgfetch.client import Client, running
from imgfetch.errors import CommandError, ImgfetchError, InterruptedBySignalError
from tests.support.commandline import CommandLine

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, ImgfetchError)
]
FAILURES = [
    InterruptedBySignalError(signal.SIGTERM)
    if kind is InterruptedBySignalError
    else kind("what failed", expected="a", actual="b\x1b", hint="try this")
    for kind in CLASSES
]


def _replace(monkeypatch: pytest.MonkeyPatch, verb: str, function: Callable[..., object]) -> None:
    """Puts something in the place of a client's verb."""
    # The command takes this one without the client around it.
    if verb == "run":
        monkeypatch.setattr(running, "run", function)
    else:
        monkeypatch.setattr(Client, verb, function)


def fail(
    monkeypatch: pytest.MonkeyPatch, verb: str, failure: BaseException, *, secret: str = ""
) -> None:
    """Lets a verb of the client fail."""

    def failing(*_arguments: object, **_options: object) -> NoReturn:
        raise failure

    _replace(monkeypatch, verb, failing)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_every_error_has_its_status_and_the_one_form(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, failure: ImgfetchError
) -> None:
    fail(monkeypatch, "images", failure)
    said = command_line("images").failed(exitcodes.for_error(failure))
    assert said.err.splitlines()[0] == f"imgfetch: {failure.message}"
    if not isinstance(failure, InterruptedBySignalError):
        assert said.err.splitlines()[1:] == ["  expected a", "  got      b\\x1b", "  try this"]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_run_that_we_fail_is_125_whatever_failed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, failure: ImgfetchError
) -> None:
    """R142: 126 and 127 are about the container's command, and signals are passed on."""
    fail(monkeypatch, "run", failure)
    expected = 125
    if isinstance(failure, CommandError):
        expected = 126
    elif isinstance(failure, InterruptedBySignalError):
        expected = 128 + signal.SIGTERM
    command_line("run", "x").failed(expected)


@pytest.mark.parametrize("status", [126, 127])
def test_a_command_that_cant_be_started_has_the_shells_status(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """R142."""
    fail(monkeypatch, "run", CommandError("it can't", status=status))
    command_line("run", "x").failed(status)
    fail(monkeypatch, "spec", CommandError("it can't", status=status))
    command_line("spec", "x").failed(14)


@pytest.mark.parametrize("status", [0, 1, 42, 125, 137, 255])
def test_the_containers_status_is_the_commands(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    _replace(monkeypatch, "run", lambda *_arguments, **_options: status)
    assert command_line("run", "x").exited(status).err == ""


@pytest.mark.parametrize(("verb", "status"), [("images", 1), ("run", 125)])
def test_what_nobody_planned_is_a_bug(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, verb: str, status: int
) -> None:
    fail(monkeypatch, verb, KeyError("nonsense"))
    words = [verb, "x"] if verb == "run" else [verb]
    said = command_line(*words).failed(status)
    assert said.err.splitlines() == [
        "imgfetch: a bug in imgfetch: KeyError: 'nonsense'",
        "  please report it, with what this command prints with -vv",
    ]


@pytest.mark.parametrize("failure", [KeyError("x"), errors.StoreError("x")], ids=["bug", "error"])
def test_a_traceback_is_shown_when_asked_for(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    fail(monkeypatch, "images", failure)
    assert "Traceback" not in command_line("-v", "images").err
    assert "Traceback" in command_line("-vv", "images").err


@pytest.mark.parametrize(
    ("failure", "number"),
    [(KeyboardInterrupt(), signal.SIGINT), (BrokenPipeError(), signal.SIGPIPE)],
    ids=["interrupt", "pipe"],
)
def test_interruptions_are_quiet(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    number: signal.Signals,
) -> None:
    """R150."""
    fail(monkeypatch, "images", failure)
    said = command_line("images").exited(128 + number)
    assert (said.out, said.err.strip()) == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["--no-such-option"],
        ["--progress", "loud", "images"],
        ["pull"],
        ["pull", "--policy", "sometimes", "x"],
        ["pull", "--jobs", "0", "x"],
        ["pull", "--retries", "-1", "x"],
        ["images", "x"],
        ["images", "--format", "xml"],
        ["resolve"],
        ["inspect"],
        ["unpack", "x"],
        ["bundle", "x"],
        ["spec"],
        ["rmi"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_what_is_right(
    command_line: CommandLine, words: list[str]
) -> None:
    said = command_line(*words).exited(2)
    assert said.out == ""
    assert "Usage: imgfetch" in said.err
    assert not command_line.store.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "--no-such-option", "x"],
        ["run", "--timeout", "never", "x"],
        ["run", "--rootfs-mode", "nonsense", "x"],
        ["run", "-v", "x", "x"],
        ["run", "UPPER"],
        ["--offline", "run", "x"],
        ["run", "--network", "none", "--runtime", "/no/such/runtime", "oci:/nowhere"],
    ],
    ids=" ".join,
)
def test_a_run_that_never_starts_is_125(command_line: CommandLine, words: list[str]) -> None:
    """R142."""
    said = command_line(*words).exited(125)
    assert said.out == ""
    assert said.err
    assert not (command_line.store / "blobs/sha256").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["resolve", "UPPER"], 3),
        (["pull", "containers-storage:x"], 3),
        (["--offline", "pull", "x"], 11),
        (["pull", "store:x"], 11),
        (["pull", "oci:/no/such/layout"], 11),
        (["rmi", "x"], 11),
        (["rmi", "oci:x"], 11),
        (["inspect", "store:x"], 11),
        (["--config", "/no/such/file", "images"], 2),
        (["pull", "--platform", "nonsense", "x"], 2),
        (["bundle", "x", "b", "-e", "=x"], 13),
        (["spec", "--memory", "much", "x"], 13),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failures_of_real_commands(
    command_line: CommandLine, words: list[str], status: int
) -> None:
    command_line(*words).failed(status)
    assert not (command_line.store / "blobs/sha256").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMGFETCH_OFFLINE", "maybe"),
        ("IMGFETCH_JOBS", "0"),
        ("IMGFETCH_JOBS", "many"),
        ("IMGFETCH_PROGRESS", "loud"),
        ("IMGFETCH_NETWORK", "bridge"),
        ("IMGFETCH_ROOTFS_MODE", "nonsense"),
        ("IMGFETCH_PLATFORM", "nonsense"),
    ],
)
def test_an_unusable_setting_is_usage_and_names_its_variable(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name in command_line("images").failed(2).err


def test_an_unusable_setting_of_the_config_file_is_usage_and_names_the_file(
    command_line: CommandLine, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    for line in ("jobs = 0", "retries = -1", "progress = 'loud'", "platform = 'nonsense'"):
        config.write_text(line)
        said = command_line("--config", config, "images").failed(2)
        assert str(config) in said.err
        assert line.partition(" ")[0] in said.err


def test_what_is_none_of_our_errors_is_a_bug() -> None:
    assert exitcodes.for_error(ValueError("x")) == exitcodes.BUG
