"""``imgfetch doctor``: whether it is right on machines of all kinds, and changes none of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgfetch import Client
from imgfetch.bundle.options import (
    BindMount,
    FileOptions,
    ProcessOptions,
    RunOptions,
    SecurityOptions,
)
from imgfetch.findings import Finding
from tests.e2e.people import Somebody
from tests.e2e.traces import eventually, mounts_with, processes_with
from tests.support.cli import PROGRAM, Imgfetch, Result
from tests.support.docker_registry import DockerRegistry
from tests.support.runc_bundles import RootRunner
from tests.support.tools import require_tool
from tests.support.users import CHECKOUT, PATH


@dataclass(frozen=True, slots=True)
class Report:
    """What ``doctor --format json`` says."""

    works: bool
    findings: list[dict[str, Any]]

    @classmethod
    def read(cls, raw: bytes | str) -> Report:
        document = json.loads(raw)
        assert document.keys() == {"works", "findings"}
        return cls(**document)

    def __getitem__(self, check: str) -> dict[str, Any]:
        (found,) = (finding for finding in self.findings if finding["check"] == check)
        assert found.keys() == {"check", "state", "found", "remedy", "blocks"}
        return found

    def states(self, *checks: str) -> list[str]:
        return [self[check]["state"] for check in checks]

    @property
    def odd(self) -> list[dict[str, Any]]:
        """What could not be looked at."""
        return [one for one in self.findings if "could not be looked at" in one["found"]]


def examined(imgfetch: Imgfetch, *registries: str, offline: bool = True) -> Report:
    options = ["--offline"] if offline else []
    result = imgfetch(*options, "doctor", "--format", "json", *registries, timeout=110)
    report = Report.read(result.stdout)
    assert result.returncode == (0 if report.works else 14), result.errors
    assert not report.odd
    return report


class TestHere:
    """On this machine, as everybody."""

    def test_run_works_and_so_says_doctor(self, newcomer: Somebody) -> None:
        """As root, with subordinate ids and without; the store is not made for it."""
        imgfetch = newcomer.imgfetch
        above = imgfetch.store.parent
        before = sorted(os.listdir(above))
        report = examined(imgfetch)
        assert report.works
        assert report.states("container", "overlay", "store", "file-system") == ["ok"] * 4
        if imgfetch.user is None:
            assert "newuidmap" not in {one["check"] for one in report.findings}
        else:
            state = "ok" if imgfetch.user.has_subids else "missing"
            assert report.states("newuidmap", "subuid", "subgid") == ["ok", state, state]
            assert report["namespaces"]["state"] == ("ok" if state == "ok" else "warning")
        assert sorted(os.listdir(above)) == before
        assert mounts_with(f"{above}/.doctor.") == []
        assert processes_with(f"{above}/.doctor.") == []

    def test_it_is_a_table_for_people(self, myself: Somebody) -> None:
        lines = myself.imgfetch("--offline", "doctor").succeeded().lines
        assert lines[0].split() == ["STATE", "CHECK", "FOUND"]
        assert all(re.match(r"(ok|warning|missing) +[a-z.-]+ +\S", line) for line in lines[1:])

    def test_a_missing_runtime_is_told_in_the_words_of_run(self, myself: Somebody) -> None:
        """R154."""
        env = {"IMGFETCH_RUNTIME": "no-such-runtime"}
        told = myself.imgfetch("--offline", "doctor", env=env).exited(14).errors
        failed = myself.run(command=["true"])
        assert failed.returncode == 0
        image = myself.published.busybox
        said = myself.imgfetch("run", "--network", "none", image, env=env).exited(125).errors
        remedy = said.splitlines()[-1]
        assert told.splitlines() == [
            "imgfetch: run will not work here: see runtime, container",
            remedy,
        ]

    def test_unusable_settings_are_told_with_the_line(
        self, imgfetch: Imgfetch, tmp_path: Path
    ) -> None:
        """And version works all the same."""
        config = tmp_path / "config.toml"
        config.write_text('network = "none"\njobs = "many"\n[more\n')
        env = {"IMGFETCH_CONFIG": str(config), "IMGFETCH_ROOTFS_MODE": "odd"}
        result = imgfetch("--offline", "doctor", "--format", "json", env=env).exited(14)
        first, second = (
            one for one in Report.read(result.stdout).findings if one["check"] == "settings"
        )
        assert f"config file {config}" in first["found"]
        assert "line 3" in first["found"]
        assert "IMGFETCH_ROOTFS_MODE" in second["found"]
        assert first["blocks"]
        version = imgfetch("version", env=env).succeeded()
        assert version.lines[0].startswith("imgfetch ")
        assert version.errors.count("imgfetch: warning: ") == 2
        config.write_text('network = "none"\njobs = "many"\n')
        assert f"jobs ({config}, line 2)" in imgfetch("version", env=env).errors

    def test_programs_can_ask(self, tmp_path: Path) -> None:
        """In a process of its own: the program may have threads."""
        known = Finding("known", "warning", "before")
        with Client(store=str(tmp_path / "store"), offline=True) as client:
            diagnosis = client.doctor(known=[known])
        assert diagnosis.works
        assert diagnosis.findings[0] == known
        assert os.listdir(tmp_path) == []

    def test_what_a_killed_one_leaves_the_next_takes_away(self, imgfetch: Imgfetch) -> None:
        imgfetch.store.mkdir(0o700)
        process = imgfetch.start("--offline", "doctor")
        assert eventually(lambda: bool(os.listdir(imgfetch.store)), seconds=60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)

        def is_clean_after_another() -> bool:
            examined(imgfetch)
            return os.listdir(imgfetch.store) == []

        # What has entered namespaces is not killed with its parent, and ends by itself.
        assert eventually(is_clean_after_another, seconds=60)


class TestRegistries:
    def test_those_named_are_asked(
        self, imgfetch: Imgfetch, registry: DockerRegistry, tmp_path: Path
    ) -> None:
        nobody = "127.0.0.1:1"
        report = examined(imgfetch, registry.host, nobody, offline=False)
        assert report.works
        first, second = (one for one in report.findings if one["check"] == "registry")
        assert first["state"] == "ok"
        assert first["found"].startswith(f"{registry.host} without credentials: answers")
        assert (second["state"], second["blocks"]) == ("missing", False)
        assert nobody in second["found"]

    def test_those_of_images_in_the_store_are_asked(
        self, myself: Somebody, registry: DockerRegistry
    ) -> None:
        report = examined(myself.imgfetch, offline=False)
        asked = [one["found"].split()[0] for one in report.findings if one["check"] == "registry"]
        assert asked == [registry.host]

    def test_offline_opens_no_socket(self, myself: Somebody, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        strace = [require_tool("strace"), "--follow-forks", "--decode-pids=comm"]
        strace += ["--trace=socket,connect", f"--output={trace}", "--"]
        process = myself.imgfetch.start("--offline", "doctor", "docker.io", wrapper=strace)
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
        ours = re.compile(r"^\d+<(imgfetch|python[\d.]*)> +(socket|connect)\(.*AF_INET")
        assert [line for line in trace.read_text().splitlines() if ours.match(line)] == []


def test_without_proc_it_says_so(myself: Somebody) -> None:
    """R170: and run says the same."""
    unshare = [require_tool("unshare"), "--mount", "--propagation=slave", "sh", "-c"]
    without = [*unshare, 'umount --lazy /proc && exec "$@"', "sh"]
    results = []
    image = myself.published.busybox
    for words in (["doctor", "--format", "json"], ["run", "--network", "none", image, "true"]):
        done = subprocess.run(
            [*without, *myself.imgfetch.argv("--offline", *words)],
            env=myself.imgfetch.environment(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        results.append(Result(done.returncode, done.stdout, done.stderr))
    report = Report.read(results[0].exited(14).stdout)
    namespaces = report["namespaces"]
    assert namespaces["blocks"]
    assert namespaces["remedy"] == "mount -t proc proc /proc"
    told = results[1].exited(125).errors.splitlines()
    assert told == [f"imgfetch: {namespaces['found']}", f"  {namespaces['remedy']}"]


def _root_for_python(path: Path) -> Path:
    """A root filesystem for this machine's programs, which are bound into it."""
    for name in ("usr", "etc", "tmp", "store"):
        (path / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        if Path("/", name).is_symlink():
            (path / name).symlink_to(os.readlink(f"/{name}"))
    (path / "store").chmod(0o1777)
    return path


Pod = Callable[..., Result]


@pytest.fixture
def in_pod(tmp_path: Path) -> Pod:
    """Runs the command in a container as pods are: masked ``/proc``, no capabilities added."""
    sources = ["/usr", "/etc", str(CHECKOUT)]
    sources += [name for name in ("/bin", "/lib", "/lib64", "/sbin") if not os.path.islink(name)]
    mounts = tuple(BindMount(one, one, read_only=one != str(CHECKOUT)) for one in sources)

    def run(*words: str, seccomp: str, user: str | None = None) -> Result:
        coverage = [f"{name}={value}" for name, value in os.environ.items() if "COV" in name[:3]]
        script = ["env", "HOME=/store", f"PATH={PATH}", *coverage, str(PROGRAM)]
        options = RunOptions(
            files=FileOptions(mounts=mounts),
            process=ProcessOptions(user=user),
            security=SecurityOptions(seccomp=seccomp, no_new_privileges=user is not None),
        )
        done = RootRunner(tmp_path)(
            *script, "--store", "/store/own", "--offline", *words,
            options=options, prepare=_root_for_python,
        )  # fmt: skip
        return Result(done.status, done.stdout.encode(), done.stderr.encode())

    return run


class TestInPods:
    def test_a_filter_of_system_calls_is_the_reason(self, in_pod: Pod) -> None:
        """R167: the default profile of engines, as root without capabilities."""
        report = Report.read(in_pod("doctor", "--format", "json", seccomp="default").stdout)
        assert not report.works
        assert not report.odd
        for check in ("user-namespaces", "namespaces", "container"):
            assert "blocked by a seccomp filter" in report[check]["found"]
            assert "seccompProfile: Unconfined" in report[check]["remedy"]
        assert report["proc"]["state"] == "warning"

    @pytest.mark.parametrize("user", [None, "4242:4242"], ids=["root", "user"])
    def test_without_the_filter_containers_can_be_run(self, in_pod: Pod, user: str | None) -> None:
        """R164, R171: with no_new_privs, an id without a name, and a masked ``/proc``."""
        result = in_pod("doctor", "--format", "json", seccomp="unconfined", user=user)
        report = Report.read(result.exited(0).stdout)
        assert report.works
        assert not report.odd
        state = "warning" if user else "ok"
        assert report.states("confinement", "namespaces") == [state, state]
        assert report.states("container", "proc") == ["ok", "warning"]
        assert "processes outside" in report["proc"]["found"]
