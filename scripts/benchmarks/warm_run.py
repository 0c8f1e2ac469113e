"""A warm run: the image is in the store and unpacked."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from scripts.benchmarks.contender import Contender, machine, run_once, take_turns
from scripts.benchmarks.places import IMGFETCH, PYTHON, environment, scratch
from tests.support.busybox import busybox_builder
from tests.support.docker_registry import docker_registry
from tests.support.upload import upload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def bench_run(rounds: int) -> None:
    """Measures `true` in a container and prints a table."""
    with scratch() as directory:
        contenders = _contenders(directory)
        take_turns(contenders, rounds)
    print(f"{machine()}; `true` in a container of busybox, no network; {rounds} rounds\n")
    print(_table(contenders, baseline="runc run"))


def _contenders(directory: Path) -> list[Contender]:
    """Everything that can run a container here, ready to do so."""
    env = environment(directory)
    podman = shutil.which("podman")
    storage = ["--root", str(directory / "podman"), "--runroot", str(directory / "podman-run")]
    layout, bundle, state = directory / "layout", directory / "bundle", directory / "runc"
    written = busybox_builder().write(layout)
    with docker_registry(directory / "registry") as registry:
        image = upload(registry.host, layout, written.descriptor, "bench/busybox", "1")
        run_once(env, IMGFETCH, "pull", image)
        if podman:
            run_once(env, podman, *storage, "pull", "--quiet", "--tls-verify=false", image)
    run_once(env, IMGFETCH, "bundle", image, bundle, "--network", "none", "--", "true")
    ours = [f"{IMGFETCH}", "run", "--network", "none", image, "true"]
    runc = ["runc", "--root", f"{state}", "run", "--bundle", f"{bundle}"]
    contenders = [
        Contender("imgfetch run", lambda _: [ours], env),
        Contender("runc run", lambda number: [[*runc, f"bench-{number}"]], env),
        Contender("python -c pass", lambda _: [[f"{PYTHON}", "-I", "-c", "pass"]], env),
    ]
    if podman:
        # What it raises limits to by itself needs CAP_SYS_RESOURCE, which root may not have.
        limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]
        run = [podman, *storage, "run", "--rm", "--network=none", *limits, image, "true"]
        contenders.append(Contender("podman run", lambda _: [run], env))
    return contenders


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
