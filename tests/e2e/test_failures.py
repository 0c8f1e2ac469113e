"""Exit statuses, and the one form that errors have."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.published import Published
from tests.support.cli import Imgfetch, Result
from tests.support.images import host_platform


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody else can."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _in_the_one_form(result: Result) -> Result:
    """A failure that says what, and nothing on standard output."""
    assert result.stdout == b""
    lines = result.errors.splitlines()
    assert lines, "no message"
    assert lines[0].startswith("imgfetch: ")
    assert len(lines) <= 5
    assert "Traceback" not in result.errors
    return result


@pytest.mark.parametrize("verb", ["resolve", "pull"])
def test_an_unknown_tag_is_not_found(imgfetch: Imgfetch, published: Published, verb: str) -> None:
    """R012."""
    repository = published.busybox.rpartition(":")[0]
    result = _in_the_one_form(imgfetch(verb, f"{repository}:nothing").exited(7))
    assert f"{repository}:nothing" in result.errors


def test_an_unknown_repository_is_not_found(imgfetch: Imgfetch, published: Published) -> None:
    """R012."""
    host = published.busybox.partition("/")[0]
    _in_the_one_form(imgfetch("pull", f"{host}/no/such/repository:1").exited(7))


def test_an_unknown_digest_is_not_found(imgfetch: Imgfetch, published: Published) -> None:
    repository = published.busybox.rpartition(":")[0]
    _in_the_one_form(imgfetch("pull", f"{repository}@sha256:{'0' * 64}").exited(7))


def test_a_host_that_does_not_answer_is_named(imgfetch: Imgfetch, closed_port: int) -> None:
    """R021."""
    host = f"127.0.0.1:{closed_port}"
    result = _in_the_one_form(imgfetch("resolve", "--retries", "0", f"{host}/x:1").exited(10))
    assert host in result.errors


@pytest.mark.parametrize(
    "reference",
    ["", "UPPER", "a//b", "x:", "x@sha256:12", "x@md5:0", "x y", "x?y", "a/../b", "x:1\n"],
)
@pytest.mark.parametrize("verb", ["resolve", "pull"])
def test_a_bad_reference_is_refused(imgfetch: Imgfetch, verb: str, reference: str) -> None:
    """S023, R034."""
    _in_the_one_form(imgfetch(verb, "--", reference).exited(3))


def test_another_platform_is_named_with_those_that_there_are(
    imgfetch: Imgfetch, published: Published
) -> None:
    """R052."""
    result = imgfetch("pull", "--platform", "linux/mips", published.multi).exited(5)
    _in_the_one_form(result)
    assert str(host_platform()) in result.errors


def test_an_image_for_another_platform_is_not_taken(
    imgfetch: Imgfetch, published: Published
) -> None:
    """S042."""
    _in_the_one_form(imgfetch("pull", "--platform", "linux/mips", published.busybox).exited(5))


def test_offline_without_the_image_is_the_stores_failure(
    imgfetch: Imgfetch, published: Published
) -> None:
    for verb in ("resolve", "pull"):
        result = _in_the_one_form(imgfetch("--offline", verb, published.busybox).exited(11))
        assert published.busybox in result.errors


def test_run_fails_with_125_and_says_the_same(imgfetch: Imgfetch, published: Published) -> None:
    _in_the_one_form(imgfetch("--offline", "run", published.busybox, "true").exited(125))


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["--no-such-option"],
        ["pull"],
        ["pull", "--no-such-option", "x"],
        ["pull", "--policy", "sometimes", "x"],
        ["unpack", "x"],
        ["rmi"],
    ],
)
def test_wrong_usage_is_2(imgfetch: Imgfetch, arguments: list[str]) -> None:
    result = imgfetch(*arguments).exited(2)
    assert result.stdout == b""
    assert "Traceback" not in result.errors
    assert result.errors


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "--no-such-option", "x"], ["run", "-e"], ["run", "-v", "x"]]
)
def test_wrong_usage_of_run_is_125(imgfetch: Imgfetch, arguments: list[str]) -> None:
    """R142."""
    result = imgfetch(*arguments).exited(125)
    assert result.stdout == b""
    assert "Traceback" not in result.errors
    assert result.errors


def test_progress_goes_to_standard_error(imgfetch: Imgfetch, published: Published) -> None:
    result = imgfetch("--progress", "plain", "pull", published.layered).succeeded()
    assert result.lines == [published.pinned(published.layered)]
    assert result.errors
    quiet = imgfetch("--quiet", "pull", "--policy", "always", published.multi).succeeded()
    assert quiet.stderr == b""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["version"]])
def test_help_and_version_are_results(imgfetch: Imgfetch, arguments: list[str]) -> None:
    result = imgfetch(*arguments).succeeded()
    assert b"imgfetch" in result.stdout
    assert result.stderr == b""


@pytest.mark.parametrize(
    "command",
    ["resolve", "pull", "unpack", "bundle", "spec", "run", "images", "inspect", "rmi", "version"],
)
def test_every_command_has_help(imgfetch: Imgfetch, command: str) -> None:
    result = imgfetch(command, "--help").succeeded()
    assert command.encode() in result.stdout
    assert result.stderr == b""


def test_a_reader_that_goes_away_is_no_bug(imgfetch: Imgfetch) -> None:
    """R150: EPIPE on standard output."""
    shell = imgfetch.start("--help", wrapper=["sh", "-c", '"$@" | true', "sh"])
    _, errors = shell.communicate(timeout=60)
    assert errors == b""
