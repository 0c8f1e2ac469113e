"""The order of a run, and what remains of one wherever it fails: nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imgfetch.bundle.options import (
    BindMount,
    FileOptions,
    NetworkOptions,
    ProcessOptions,
    RunOptions,
    SecurityOptions,
    Ulimit,
)
from imgfetch.errors import (
    CommandError,
    ImgfetchError,
    InterruptedBySignalError,
    InvalidMountError,
    InvalidOptionError,
    InvalidUserError,
    NamespaceError,
    RuntimeFailedError,
)
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.image import Image, Layer
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.runtime.supervision import Outcome
from imgfetch.workflow.container import ContainerMaker
from imgfetch.workflow.run import run
from tests.support.documents import config, encode, layer, manifest
from tests.support.sources import RecordedProgress
from tests.support.specs import root_host
from tests.support.tools import require_tool
from tests.support.trees import paths


@dataclass(slots=True)
class Events:
    """What happened, in order, and what to fail at."""

    seen: list[str] = field(default_factory=list)
    failures: dict[str, BaseException] = field(default_factory=dict)

    def happen(self, name: str) -> None:
        self.seen.append(name)
        if name in self.failures:
            raise self.failures[name]


@dataclass(slots=True)
class FakeSnapshotter:
    """Gives a directory with busybox in it."""

    events: Events

    def prepare(self, layers: Sequence[Layer]) -> None:
        self.events.happen("prepare")

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        root = directory / "rootfs"
        (root / "bin").mkdir(parents=True)
        self.events.happen("mount")
        shutil.copy(require_tool("busybox"), root / "bin/sh")
        (root / "etc").mkdir()
        (root / "file").write_text("")
        return root

    def unmount(self, directory: Path) -> None:
        assert directory.is_dir()
        self.events.happen("unmount")


@dataclass(slots=True)
class ScriptedRuntime:
    """Keeps what it is given."""

    events: Events
    status: int = 0
    spec: dict[str, Any] = field(default_factory=dict)
    bundle: Path = Path("/")
    files: set[str] = field(default_factory=set)

    def run(self, container_id: str, bundle: Path) -> int:
        return self.supervise(container_id, bundle).status

    def supervise(self, container_id: str, bundle: Path) -> Outcome:
        self.spec = json.loads((bundle / "config.json").read_bytes())
        self.bundle = bundle
        self.files = {path for path in paths(bundle) if "/" not in path}
        assert bundle.name == container_id
        self.events.happen("run")
        return Outcome(self.status)


@dataclass(slots=True)
class Setting:
    """Everything that a run takes."""

    runs: Path
    events: Events
    runtime: ScriptedRuntime
    progress: RecordedProgress = field(default_factory=RecordedProgress)
    host: dict[str, Any] = field(default_factory=dict)

    def run(self, options: RunOptions | None = None, process: dict[str, Any] | None = None) -> int:
        return run(
            image(process or {"Cmd": ["sh"]}),
            options or RunOptions(network=NetworkOptions(mode="none")),
            network="none",
            runs=str(self.runs),
            maker=ContainerMaker(root_host(**self.host), self.progress),
            snapshotter=FakeSnapshotter(self.events),
            runtime=self.runtime,
        )

    @property
    def left(self) -> set[str]:
        return paths(self.runs) - {"names", "names/.lock"}


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    events = Events()
    return Setting(tmp_path / "runs", events, ScriptedRuntime(events))


def image(process: dict[str, Any]) -> Image:
    raw = encode(manifest(layers=[layer()]))
    top = Descriptor.of(raw, "application/vnd.oci.image.manifest.v1+json")
    document = parse(raw, top.media_type, "manifest")
    assert isinstance(document, Manifest)
    return Image(top, document, ImageConfig.from_json(encode(config(config=process)), "config"))


@pytest.mark.parametrize("status", [0, 42, 137])
def test_a_run_gives_the_containers_status_and_leaves_nothing(
    setting: Setting, status: int
) -> None:
    setting.runtime.status = status
    assert setting.run() == status
    assert setting.events.seen == ["mount", "run", "unmount"]
    assert setting.left == set()


def test_the_bundle_has_what_the_runtime_needs(setting: Setting) -> None:
    setting.run()
    spec, bundle = setting.runtime.spec, setting.runtime.bundle
    assert setting.runtime.files >= {"config.json", "rootfs"}
    assert spec["root"]["path"] == str(bundle / "rootfs")
    assert spec["process"]["args"] == ["sh"]
    assert spec["linux"]["cgroupsPath"] == f"/imgfetch/{bundle.name}"
    bound = {mount["destination"]: mount["source"] for mount in spec["mounts"]}
    for name in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
        assert bound[name].startswith(f"{bundle}/")


def test_without_cgroups_none_is_asked_for(setting: Setting) -> None:
    setting.host = {"cgroup_version": None, "controllers": frozenset[str]()}
    setting.run()
    assert "cgroupsPath" not in setting.runtime.spec["linux"]


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("mount", NamespaceError("no overlay")),
        ("run", RuntimeFailedError("no runtime")),
        ("run", CommandError("no command", status=127)),
        ("run", InterruptedBySignalError(15)),
        ("run", KeyboardInterrupt()),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_step_that_fails_leaves_nothing(
    setting: Setting, step: str, failure: BaseException
) -> None:
    setting.events.failures[step] = failure
    with pytest.raises(type(failure)):
        setting.run()
    assert setting.events.seen[-1] == "unmount"
    assert setting.left == set()


def _options(**groups: Any) -> RunOptions:
    return RunOptions(**{"network": NetworkOptions(mode="none"), **groups})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (_options(process=ProcessOptions(user="nobody-here")), InvalidUserError),
        (_options(process=ProcessOptions(args=("no-such-command",))), CommandError),
        (_options(process=ProcessOptions(args=("/file",))), CommandError),
        (
            _options(files=FileOptions(mounts=(BindMount("/tmp", "/file"),))),
            InvalidMountError,
        ),
        (_options(security=SecurityOptions(seccomp="/no/such/profile")), InvalidOptionError),
    ],
    ids=["user", "command", "not executable", "mount point", "seccomp"],
)
def test_what_is_impossible_is_told_before_the_runtime_and_leaves_nothing(
    setting: Setting, options: RunOptions, error: type[ImgfetchError]
) -> None:
    with pytest.raises(error):
        setting.run(options)
    assert setting.events.seen == ["mount", "unmount"]
    assert setting.left == set()


@pytest.mark.parametrize(("word", "status"), [("no-such-command", 127), ("/file", 126)])
def test_a_command_that_cant_be_started_has_the_shells_status(
    setting: Setting, word: str, status: int
) -> None:
    """R142."""
    with pytest.raises(CommandError) as caught:
        setting.run(process={"Entrypoint": [word]})
    assert caught.value.status == status


def test_a_name_is_given_back_at_the_end_and_refused_meanwhile(setting: Setting) -> None:
    options = RunOptions(network=NetworkOptions(mode="none"), name="box")
    real = setting.runtime

    @dataclass(slots=True)
    class Meanwhile:
        def supervise(self, container_id: str, bundle: Path) -> Outcome:
            setting.runtime = real
            with pytest.raises(InvalidOptionError, match="'box' is in use"):
                setting.run(options)
            return Outcome(3)

    setting.runtime = Meanwhile()  # type: ignore[assignment]  # a runtime as good as the other
    assert setting.run(options) == 3
    assert setting.run(options) == 0
    assert setting.left == set()


def test_what_a_killed_run_left_is_cleared_by_the_next(setting: Setting) -> None:
    left = setting.runs / ("ab" * 32)
    (left / "rootfs" / "bin").mkdir(parents=True)
    setting.run()
    assert setting.left == set()


def test_privileged_and_unconfined_runs_have_no_seccomp(setting: Setting) -> None:
    for security in (SecurityOptions(privileged=True), SecurityOptions(seccomp="unconfined")):
        setting.run(_options(security=security))
        assert "seccomp" not in setting.runtime.spec["linux"]
    setting.run()
    assert "seccomp" in setting.runtime.spec["linux"]


def test_what_was_asked_for_and_cant_be_had_is_told(setting: Setting) -> None:
    setting.host = {"rlimits": {"RLIMIT_NOFILE": (64, 64)}}
    setting.run(_options(process=ProcessOptions(ulimits=(Ulimit("RLIMIT_NOFILE", 4096, 4096),))))
    assert setting.progress.warnings == ["ulimit nofile cut to 64, the caller's own hard limit"]


def test_files_of_the_host_that_cant_be_read_are_as_if_empty(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = open

    def refused(path: str, mode: str, buffering: int) -> object:
        if path.startswith("/etc/"):
            raise PermissionError(13, "Permission denied")
        return real(path, mode, buffering)

    monkeypatch.setattr("imgfetch.workflow.container.open", refused, raising=False)
    assert setting.run() == 0
