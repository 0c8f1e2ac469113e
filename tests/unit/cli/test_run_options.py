"""Which option of a run feeds which field, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from imgfetch.bundle.options import (
    BindMount,
    Device,
    FileOptions,
    ImageMount,
    Limits,
    NetworkOptions,
    ProcessOptions,
    RunOptions,
    SecurityOptions,
    TmpfsMount,
    Ulimit,
)
from imgfetch.cli.options import run_options
from imgfetch.cli.run_options import Caller, parse
from imgfetch.errors import BundleError

CALLER = Caller({"LANG": "C", "TOKEN": "secret"}, "/work", (24, 80))
DEFAULT = RunOptions()


def parsed(*words: str, caller: Caller = CALLER, network: str = "auto") -> RunOptions:
    """The options of a command line, read by click as the commands have it."""
    values: dict[str, Any] = {}

    @click.command()
    @run_options
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...], **given: Any) -> None:
        values.update(given, arguments=arguments)

    command.main(list(words), standalone_mode=False)
    return parse(values, values["arguments"], network=network, caller=caller)


def process(**fields: Any) -> RunOptions:
    return replace(DEFAULT, process=replace(ProcessOptions(), **fields))


def files(**fields: Any) -> RunOptions:
    return replace(DEFAULT, files=replace(FileOptions(), **fields))


def network(**fields: Any) -> RunOptions:
    return replace(DEFAULT, network=replace(NetworkOptions(), **fields))


def security(**fields: Any) -> RunOptions:
    return replace(DEFAULT, security=replace(SecurityOptions(), **fields))


def limits(**fields: Any) -> RunOptions:
    return replace(DEFAULT, limits=replace(Limits(), **fields))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], DEFAULT),
        (["a", "b c"], process(args=("a", "b c"))),
        (["--", "-x"], process(args=("-x",))),
        (["-i"], process(interactive=True)),
        (["--interactive"], process(interactive=True)),
        (["-t"], process(tty=True, console_size=(24, 80))),
        (["--tty"], process(tty=True, console_size=(24, 80))),
        (["-e", "A=1", "--env", "LANG"], process(env=(("A", "1"), ("LANG", "C")))),
        (["-e", "UNSET"], process(env=(("UNSET", None),))),
        (["-e", "A="], process(env=(("A", ""),))),
        (["--env-host", "-e", "A=1"],
         process(env=(("LANG", "C"), ("TOKEN", "secret"), ("A", "1")))),
        (["-w", "/w"], process(workdir="/w")),
        (["--workdir", "/w"], process(workdir="/w")),
        (["-u", "app:staff"], process(user="app:staff")),
        (["--user", "0"], process(user="0")),
        (["--group-add", "a", "--group-add", "7"], process(group_add=("a", "7"))),
        (["--entrypoint", "/x y"], process(entrypoint=("/x y",))),
        (["--entrypoint", ""], process(entrypoint=())),
        (["--stop-signal", "SIGINT"], process(stop_signal=2)),
        (["--ulimit", "nofile=1:2"], process(ulimits=(Ulimit("RLIMIT_NOFILE", 1, 2),))),
        (["-v", "/a:/b:ro"], files(mounts=(BindMount("/a", "/b", read_only=True),))),
        (["--volume", "./a:/b"], files(mounts=(BindMount("/work/a", "/b"),))),
        (["--mount", "type=bind,src=./a,dst=/b"], files(mounts=(BindMount("/work/a", "/b"),))),
        (["--mount", "type=image,src=x,dst=/b"], files(mounts=(ImageMount("x", "/b"),))),
        (["--tmpfs", "/t"], files(mounts=(TmpfsMount("/t"),))),
        (["--read-only"], files(read_only=True)),
        (["--device", "/dev/fuse"], files(devices=(Device("/dev/fuse", "/dev/fuse"),))),
        (["--shm-size", "1m"], files(shm_size=1 << 20)),
        (["--network", "none"], network(mode="none")),
        (["--hostname", "box"], network(hostname="box")),
        (["--add-host", "a:10.0.0.1"], network(add_hosts=(("a", "10.0.0.1"),))),
        (["--dns", "9.9.9.9", "--dns", "::1"], network(dns=("9.9.9.9", "::1"))),
        (["--cap-add", "net_admin"], security(cap_add=("CAP_NET_ADMIN",))),
        (["--cap-drop", "all"], security(cap_drop=("ALL",))),
        (["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"],
         security(seccomp="unconfined", no_new_privileges=True)),
        (["--privileged"], security(privileged=True)),
        (["--sysctl", "net.core.somaxconn=1"], security(sysctls={"net.core.somaxconn": "1"})),
        (["-m", "64m"], limits(memory=64 << 20)),
        (["--memory", "64m"], limits(memory=64 << 20)),
        (["--memory-swap", "-1"], limits(memory_swap=-1)),
        (["--cpus", "1.5"], limits(cpus=1.5)),
        (["--cpuset-cpus", "0-1"], limits(cpuset_cpus="0-1")),
        (["--pids-limit", "9"], limits(pids=9)),
        (["-l", "a=b", "--label", "c"], replace(DEFAULT, labels={"a": "b", "c": ""})),
        (["--annotation", "a=b"], replace(DEFAULT, annotations={"a": "b"})),
        (["--name", "box"], replace(DEFAULT, name="box")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_an_option_feeds_its_field_and_no_other(words: list[str], expected: RunOptions) -> None:
    assert parsed(*words) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["-e", "=x"],
        ["-e", "A\0=x"],
        ["--env-file", "/no/such/file"],
        ["-v", "x"],
        ["-v", "/a:/b:rw:ro"],
        ["-v", "/a:/proc/x"],
        ["-v", "/a:/b:shared"],
        ["--mount", "type=bind,src=/a"],
        ["--mount", "type=bind,src=/a,dst=/b,dst=/c"],
        ["--mount", "type=nonsense,dst=/b"],
        ["--tmpfs", "relative"],
        ["--tmpfs", "/t:nonsense"],
        ["--network", "bridge"],
        ["--hostname", "-x"],
        ["--add-host", "nothing"],
        ["--dns", "name"],
        ["--name", "../x"],
        ["--cap-add", "NONSENSE"],
        ["--cap-drop", ""],
        ["--security-opt", "nonsense"],
        ["--device", "fuse"],
        ["--ulimit", "nofile"],
        ["--ulimit", "nofile=2:1"],
        ["--sysctl", "x"],
        ["--memory", "much"],
        ["--memory", "-1"],
        ["--memory-swap", "-2"],
        ["--cpus", "0"],
        ["--cpuset-cpus", "2-1"],
        ["--pids-limit", "-2"],
        ["--shm-size", "1x"],
        ["--stop-signal", "SIGNONSENSE"],
        ["--label", "=x"],
        ["--annotation", "=x"],
    ],
    ids=" ".join,
)
def test_a_value_outside_its_grammar_is_refused(words: list[str]) -> None:
    """R142."""
    with pytest.raises(BundleError):
        parsed(*words)


def test_env_files_come_before_env_and_after_the_hosts(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# comment\nA=file\nTOKEN\nNOT_HERE\n")
    options = parsed("-e", "A=option", "--env-file", str(file), "--env-host")
    assert options.process.env == (
        ("LANG", "C"),
        ("TOKEN", "secret"),
        ("A", "file"),
        ("TOKEN", "secret"),
        ("A", "option"),
    )


def test_mounts_of_all_kinds_come_in_one_list() -> None:
    options = parsed("--tmpfs", "/t", "--mount", "type=tmpfs,dst=/m", "-v", "/a:/b")
    assert [mount.destination for mount in options.files.mounts] == ["/b", "/m", "/t"]


def test_the_settings_network_is_taken_where_none_is_asked_for() -> None:
    assert parsed(network="none").network.mode == "none"
    assert parsed("--network", "host", network="none").network.mode == "host"
    with pytest.raises(BundleError, match="bridge"):
        parsed(network="bridge")


def test_without_a_terminal_a_pseudo_terminal_has_no_size() -> None:
    options = parsed("-t", caller=replace(CALLER, console_size=None))
    assert options.process.console_size is None
