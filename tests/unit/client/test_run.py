"""Runs through the command line, with a runtime that runs nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgfetch.bundle.options import NetworkOptions, RunOptions
from imgfetch.client import Client, Settings
from imgfetch.client.running import Supervision
from tests.support.busybox import busybox_builder
from tests.support.commandline import CommandLine, Said
from tests.support.fake_runtime import FakeRuntime, fake_runtime
from tests.support.forked import forked
from tests.support.images import File
from tests.support.tools import require_tool
from tests.support.trees import paths

NAME = "registry.test/app:1"


@dataclass(frozen=True, slots=True)
class Setting:
    """An image in a layout, and a runtime."""

    command_line: CommandLine
    layout: Path
    directory: Path

    def runtime(self, **options: Any) -> FakeRuntime:
        return fake_runtime(self.directory / "runtime", **options)

    def run(self, runtime: FakeRuntime, *words: str, image: str = "") -> Said:
        options = ["--network", "none", "--runtime", str(runtime.program)]
        chosen = image or f"oci:{self.layout}"
        return self.command_line.forked("-q", "run", *options, *words, chosen)

    @property
    def left(self) -> set[str]:
        return paths(self.command_line.store / "runs")


@pytest.fixture
def setting(command_line: CommandLine, tmp_path: Path) -> Setting:
    layout = tmp_path / "layout"
    busybox_builder().layer({"x": File("1")}).write(layout, NAME)
    return Setting(command_line, layout, tmp_path)


@pytest.mark.parametrize("status", [0, 3, 125, 255])
def test_the_status_is_the_containers(setting: Setting, status: int) -> None:
    said = setting.run(setting.runtime(status=status)).exited(status)
    assert (said.out, said.err) == ("", "")
    assert setting.left == set()


def test_the_runtime_sees_nothing_of_the_callers_environment(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("SECRET", "x")
    runtime = setting.runtime()
    setting.run(runtime).succeeded()
    names = {line.partition("=")[0] for line in (runtime.kept / "environment").read_text().split()}
    assert names <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ('exec: "/x": permission denied', 126),
        ("something else", 125),
    ],
)
def test_what_the_runtime_says_decides_the_status(
    setting: Setting, error: str, status: int
) -> None:
    """R142."""
    said = setting.run(setting.runtime(error=error)).failed(status)
    assert error in said.err
    assert setting.left == set()


@pytest.mark.parametrize("mode", ["auto", "overlay", "copy"])
def test_every_way_to_make_a_root_file_system_leaves_nothing(setting: Setting, mode: str) -> None:
    runtime = setting.runtime()
    setting.run(runtime, "--rootfs-mode", mode).succeeded()
    assert "rootfs" in (runtime.kept / "bundle").read_text().split()
    assert setting.left == set()


def test_an_image_that_was_fetched_for_a_run_has_no_name_unless_a_registry_gave_one(
    setting: Setting,
) -> None:
    setting.run(setting.runtime()).succeeded()
    assert setting.command_line("images").lines[1:] == []


def test_a_shared_network_is_told_unless_it_was_asked_for(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = setting.runtime()
    without_helper = setting.directory / "bin"
    without_helper.mkdir()
    for tool in ("cp", "env", "ls"):
        (without_helper / tool).symlink_to(require_tool(tool))
    monkeypatch.setenv("PATH", str(without_helper))
    words = ["run", "--runtime", str(runtime.program), f"oci:{setting.layout}"]
    said = setting.command_line.forked("--progress", "none", *words).succeeded()
    assert "shares this machine's network" in said.err
    assert runtime.spec["hostname"]
    said = setting.command_line.forked("-q", *words).succeeded()
    assert said.err == ""
    said = setting.command_line.forked(
        "--progress", "none", "run", "--network", "host", *words[1:]
    ).succeeded()
    assert said.err == ""


def test_a_network_that_cant_be_had_costs_no_download(setting: Setting) -> None:
    words = ["-q", "run", "--network", "private", "--runtime", "/no/such", f"oci:{setting.layout}"]
    setting.command_line(*words).failed(125)
    assert not setting.command_line.store.exists()


def test_a_library_runs_without_arguments_and_settings(setting: Setting) -> None:
    """What a program gives is what it gets: no environment, no terminal, no config file."""
    runtime = setting.runtime(status=4)
    store = setting.command_line.store
    options = RunOptions(network=NetworkOptions(mode="none"))

    def work() -> int:
        with Client(Settings(str(store), environment={"PATH": os.defpath})) as client:
            name = f"oci:{setting.layout}"
            supervision = Supervision(runtime=str(runtime.program))
            assert str(client.pull(name)[0]).startswith("registry.test/app@sha256:")
            client.prepare(client.pull(name))
            return client.run(f"store:{NAME}", options, supervision=supervision)

    assert forked(work) == 4


def test_a_client_is_made_of_its_settings_alone(tmp_path: Path) -> None:
    with Client(Settings(str(tmp_path / "store"))) as client:
        assert client.images() == []
    assert not (tmp_path / "store").exists()
