from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imgfetch.bundle.options import (
    ProcessOptions,
    RunOptions,
    Ulimit,
)
from imgfetch.bundle.process import leads_through_proc, stop_signal
from imgfetch.errors import (
    DocumentError,
    InvalidOptionError,
)
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    PLACE,
    environment,
    image_config,
    make_spec,
    mount_at,
    root_host,
)


def process(**options: Any) -> RunOptions:
    return RunOptions(process=ProcessOptions(**options))


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "own_entrypoint", "args", "expected"),
    [
        ([], ["sh"], None, (), ["sh"]),
        (["/e"], ["c"], None, (), ["/e", "c"]),
        (["/e", "x"], ["c"], None, ("a", "b"), ["/e", "x", "a", "b"]),
        ([], ["sh"], None, ("ls", "-l"), ["ls", "-l"]),
        (["/e"], ["c"], ("/o",), (), ["/o"]),
        (["/e"], ["c"], ("/o",), ("a",), ["/o", "a"]),
        (["/e"], ["c"], (), ("a",), ["a"]),
        (["/e"], [], None, (), ["/e"]),
    ],
)
def test_entrypoint_and_command(
    entrypoint: list[str],
    cmd: list[str],
    own_entrypoint: tuple[str, ...] | None,
    args: tuple[str, ...],
    expected: list[str],
) -> None:
    image = image_config({"Entrypoint": entrypoint, "Cmd": cmd})
    spec = make_spec(process(entrypoint=own_entrypoint, args=args), image=image)
    assert spec.document["process"]["args"] == expected


@pytest.mark.parametrize("options", [process(), process(entrypoint=()), process(args=("", "x"))])
def test_nothing_to_run_is_an_error(options: RunOptions) -> None:
    with pytest.raises(InvalidOptionError, match="no command"):
        make_spec(options, image=image_config({"Cmd": []}))


def test_a_cleared_entrypoint_clears_the_command_too() -> None:
    with pytest.raises(InvalidOptionError, match="no command"):
        make_spec(process(entrypoint=()))


def test_a_terminal_has_a_type_and_a_size() -> None:
    spec = make_spec(process(tty=True, console_size=(24, 80)))
    check_spec(spec.document)
    assert spec.document["process"]["terminal"] is True
    assert spec.document["process"]["consoleSize"] == {"height": 24, "width": 80}
    assert environment(spec)["TERM"] == "xterm"
    assert "consoleSize" not in make_spec(process(console_size=(24, 80))).document["process"]


def test_an_init_is_bound_and_put_first() -> None:
    place = dataclasses.replace(PLACE, init="/usr/bin/tini-static")
    spec = make_spec(process(init=True), place=place)
    assert spec.document["process"]["args"] == ["/sbin/docker-init", "--", "sh"]
    assert mount_at(spec, "/sbin/docker-init") == {
        "destination": "/sbin/docker-init",
        "type": "bind",
        "source": "/usr/bin/tini-static",
        "options": ["bind", "rprivate", "ro"],
    }


def test_an_init_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(InvalidOptionError, match="init"):
        make_spec(process(init=True))


@pytest.mark.parametrize(
    "path",
    [
        "/proc",
        "/proc/self/fd/7",
        "/proc/self/fd/8/../..",
        "//proc/self/",
        "/x/../proc/1/root",
        "/proc/../etc",
        "/./proc",
        "rel",
        "a/../b",
    ],
)
def test_a_working_directory_in_proc_is_refused(path: str) -> None:
    """S057 and R152: CVE-2024-21626, whatever `..` comes after."""
    with pytest.raises(InvalidOptionError, match="working directory"):
        make_spec(process(workdir=path))
    with pytest.raises(DocumentError, match="WorkingDir"):
        make_spec(image=image_config({"WorkingDir": path}))


@pytest.mark.parametrize("path", ["/", "/procedure", "/a/proc", "/srv/../app", "/a//b/"])
def test_other_working_directories_are_kept_as_written(path: str) -> None:
    assert make_spec(process(workdir=path)).document["process"]["cwd"] == path
    image = image_config({"WorkingDir": path})
    assert make_spec(image=image).document["process"]["cwd"] == path


def test_the_options_working_directory_wins() -> None:
    image = image_config({"WorkingDir": "/image"})
    assert make_spec(process(workdir="/own"), image=image).document["process"]["cwd"] == "/own"
    assert make_spec(image=image_config({"WorkingDir": ""})).document["process"]["cwd"] == "/"


def test_strings_that_cannot_be_passed_on_are_errors() -> None:
    """R151."""
    with pytest.raises(InvalidOptionError, match="argument"):
        make_spec(process(args=("x" * 131072,)))
    with pytest.raises(InvalidOptionError, match="environment"):
        make_spec(process(env=(("A", "x" * 131072),)))


def test_resource_limits_are_cut_to_what_the_caller_has() -> None:
    host = root_host(rlimits={"RLIMIT_NOFILE": (1024, 4096), "RLIMIT_CORE": (0, -1)})
    options = process(
        ulimits=(Ulimit("RLIMIT_NOFILE", 2048, 1048576), Ulimit("RLIMIT_CORE", -1, -1))
    )
    spec = make_spec(options, host=host)
    check_spec(spec.document)
    assert spec.document["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 2048, "hard": 4096},
        {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
    ]
    assert len(spec.warnings) == 1
    assert "nofile" in spec.warnings[0]
    free = make_spec(options, host=dataclasses.replace(host, may_raise_limits=True))
    assert free.document["process"]["rlimits"][0]["hard"] == 1048576
    assert free.warnings == ()


def test_an_oom_score_below_the_callers_is_raised_to_it() -> None:
    spec = make_spec(process(oom_score_adj=-500), host=root_host(oom_score_adj=100))
    assert spec.document["process"]["oomScoreAdj"] == 100
    assert len(spec.warnings) == 1
    able = root_host(oom_score_adj=100, may_raise_limits=True)
    assert (
        make_spec(process(oom_score_adj=-500), host=able).document["process"]["oomScoreAdj"] == -500
    )
    assert make_spec(process(oom_score_adj=300)).document["process"]["oomScoreAdj"] == 300


def test_a_umask_can_be_given() -> None:
    assert make_spec(process(umask=0o77)).document["process"]["user"]["umask"] == 0o77


def test_the_stop_signal_is_the_options_then_the_images_then_term() -> None:
    image = image_config({"StopSignal": "SIGQUIT"})
    assert stop_signal(image, ProcessOptions(stop_signal=9)) == 9
    assert stop_signal(image, ProcessOptions()) == 3
    assert stop_signal(image_config(), ProcessOptions()) == 15


@pytest.mark.parametrize("text", ["9; x", "999", "SIGFOO"])
def test_a_stop_signal_that_does_not_exist_is_named(text: str) -> None:
    """S058."""
    with pytest.raises(DocumentError, match="StopSignal"):
        stop_signal(image_config({"StopSignal": text}), ProcessOptions())


@pytest.mark.parametrize(
    "path", ["/proc", "/proc/1", "proc/1", "/a/../proc/x/../../y", "//./proc//"]
)
def test_ways_through_proc(path: str) -> None:
    assert leads_through_proc(path)


@pytest.mark.parametrize("path", ["", "/", "/a/proc", "/process", "/../a"])
def test_ways_elsewhere(path: str) -> None:
    assert not leads_through_proc(path)
