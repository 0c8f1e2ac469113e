"""A warm run: the image is in the store and unpacked."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.benchmarks.contender import Contender, machine, run_once, take_turns
from scripts.benchmarks.places import IMGFETCH, PYTHON, environment, scratch
from tests.support.busybox import busybox_builder
from tests.support.docker_daemon import docker_daemon
from tests.support.docker_registry import docker_registry
from tests.support.upload import upload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TOGETHER = 16
# Somebody with no subordinate ids, and nothing else that would be in the way.
_NOBODY = 65534


def bench_run(rounds: int) -> None:
    """Measures `true` in a container and prints a table."""
    with scratch() as directory, ExitStack() as stack:
        directory.chmod(0o755)
        contenders = _contenders(directory, stack)
        take_turns(contenders, rounds)
    print(f"{machine()}; `true` in a container of busybox, no network; {rounds} rounds\n")
    print(_table(contenders, baseline="runc run"))


@dataclass(frozen=True, slots=True)
class _Place:
    """What somebody runs containers with."""

    image: str
    bundle: Path
    state: Path
    env: Mapping[str, str]
    user: int | None = None

    def prepare(self) -> None:
        """Has the image in the store and unpacked, and a bundle of it."""
        run_once(self.env, IMGFETCH, "pull", self.image, user=self.user)
        run_once(self.env, *self.imgfetch(), user=self.user)
        rootless = [] if self.user is None else ["--rootless"]
        words: list[str | Path] = [
            "bundle",
            *rootless,
            self.image,
            self.bundle,
            "--network",
            "none",
            "--",
            "true",
        ]
        run_once(self.env, IMGFETCH, *words, user=self.user)

    def imgfetch(self, *options: str) -> list[str]:
        return [f"{IMGFETCH}", "run", *options, "--network", "none", self.image, "true"]

    def runc(self, name: str) -> list[str]:
        return ["runc", "--root", f"{self.state}", "run", "--bundle", f"{self.bundle}", name]


def _contenders(directory: Path, stack: ExitStack) -> list[Contender]:
    """Everything that can run a container here, ready to do so."""
    env = environment(directory)
    podman = shutil.which("podman")
    storage = ["--root", str(directory / "podman"), "--runroot", str(directory / "podman-run")]
    # As imgfetch has it by itself; to podman's crun hybrid cgroups are a reason not to start.
    storage += ["--runtime", "runc"]
    written = busybox_builder().write(directory / "layout")
    with docker_registry(directory / "registry") as registry:
        image = upload(
            registry.host, directory / "layout", written.descriptor, "bench/busybox", "1"
        )
        place = _Place(image, directory / "bundle", directory / "runc", env)
        place.prepare()
        nobody = _somebody(directory / "nobody", image)
        nobody.prepare()
        docker = stack.enter_context(docker_daemon()) if shutil.which("dockerd") else None
        if docker:
            run_once(docker.env, *docker.client, "pull", "--quiet", image)
        if podman:
            run_once(env, podman, *storage, "pull", "--quiet", "--tls-verify=false", image)
    contenders = [
        Contender("imgfetch run", lambda _: [place.imgfetch()], env),
        Contender("runc run", lambda number: [place.runc(f"bench-{number}")], env),
        Contender("imgfetch run, crun", lambda _: [place.imgfetch("--runtime", "crun")], env),
        Contender("python -c pass", lambda _: [[f"{PYTHON}", "-I", "-c", "pass"]], env),
        Contender(
            "imgfetch run, ordinary user", lambda _: [nobody.imgfetch()], nobody.env, user=_NOBODY
        ),
        Contender(
            "runc run, ordinary user",
            lambda number: [nobody.runc(f"bench-{number}")],
            nobody.env,
            user=_NOBODY,
        ),
        Contender(
            f"imgfetch run, {_TOGETHER} at once",
            lambda _: [place.imgfetch()] * _TOGETHER,
            env,
            together=True,
        ),
        Contender(
            f"runc run, {_TOGETHER} at once",
            lambda number: [place.runc(f"bench-{number}-{one}") for one in range(_TOGETHER)],
            env,
            together=True,
        ),
    ]
    # What both raise limits to by themselves needs CAP_SYS_RESOURCE, which root may not have.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]
    asked = ["run", "--rm", "--network=none", *limits, image, "true"]
    if docker:
        words = [*docker.client, *asked]
        contenders.append(Contender("docker run", lambda _: [words], docker.env))
    if podman:
        run = [podman, *storage, *asked]
        contenders += [
            Contender("podman run", lambda _: [run], env),
            Contender(
                f"podman run, {_TOGETHER} at once", lambda _: [run] * _TOGETHER, env, together=True
            ),
        ]
    return contenders


def _somebody(directory: Path, image: str) -> _Place:
    """An ordinary user's home, with a store of their own."""
    directory.mkdir()
    env = environment(directory)
    for path in (directory, directory / "tmp"):
        os.chown(path, _NOBODY, _NOBODY)
    env["XDG_RUNTIME_DIR"] = env["TMPDIR"]
    return _Place(image, directory / "bundle", directory / "runc", env, _NOBODY)


def _table(contenders: Sequence[Contender], baseline: str) -> str:
    """The results in Markdown, with ratios of medians to one of the contenders."""
    base = next(contender for contender in contenders if contender.name == baseline)
    lines = [
        f"| | median ms | least ms | to {baseline} | CPU ms |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {contender.name} | {contender.wall * 1000:.0f} | {min(contender.walls) * 1000:.0f} "
        f"| {contender.wall / base.wall:.2f} | {contender.cpu * 1000:.0f} |"
        for contender in contenders
    ]
    return "\n".join(lines)
