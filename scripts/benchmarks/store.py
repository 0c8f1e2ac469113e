"""A store with many images, beside one with a single image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scripts.benchmarks.contender import Contender, machine, run_once, take_turns
from scripts.benchmarks.places import IMGFETCH, environment, scratch
from tests.support.busybox import busybox_builder
from tests.support.docker_registry import docker_registry
from tests.support.images import ImageBuilder
from tests.support.upload import upload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# With its manifest and its config an image has ten blobs.
_LAYERS = 8


def bench_store(rounds: int, images: int) -> None:
    """Measures commands on both stores and prints a table.

    Args:
        rounds: how often.
        images: in the large store.
    """
    with scratch() as directory, docker_registry(directory / "registry") as registry:
        layout = directory / "busybox"
        written = busybox_builder().write(layout)
        image = upload(registry.host, layout, written.descriptor, "bench/busybox", "1")
        stores = {"large": directory / "large", "small": directory / "small"}
        _fill(stores["large"], images)
        envs = {
            name: {**environment(directory), "IMGFETCH_STORE": str(store)}
            for name, store in stores.items()
        }
        for env in envs.values():
            run_once(env, IMGFETCH, "pull", image)
        count = sum(1 for _ in (stores["large"] / "blobs" / "sha256").iterdir())
        print(
            f"{machine()}; a store of {images + 1} images and {count} blobs beside one of"
            f" one image; {rounds} rounds\n"
        )
        print("| | large, median ms | small, median ms | ratio | of processor time | peak MiB |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, argv in _commands(image).items():
            large, small = (_contender(name, argv, envs[size]) for size in ("large", "small"))
            take_turns([large, small], rounds)
            print(
                f"| `{name}` | {large.wall * 1000:.0f} | {small.wall * 1000:.0f} |"
                f" {large.wall / small.wall:.2f} | {large.cpu / small.cpu:.2f} |"
                f" {large.peak_mib:.0f} / {small.peak_mib:.0f} |",
                flush=True,
            )


def _commands(image: str) -> Mapping[str, Sequence[str]]:
    """What is measured, by what the table calls it."""
    return {
        "images": ["images"],
        "run --network none": ["run", "--network", "none", image, "true"],
        "pull, nothing new": ["--quiet", "pull", image],
        "tag": ["tag", image, "bench.test/other:1"],
        "inspect": ["inspect", image],
        "prune, nothing to do": ["prune"],
        "df": ["df"],
    }


def _contender(name: str, argv: Sequence[str], env: Mapping[str, str]) -> Contender:
    return Contender(name, lambda _: [[IMGFETCH, *argv]], env)


def _fill(store: Path, images: int) -> None:
    """Makes a store's layout, each image with layers of its own."""
    entries = []
    for number in range(images):
        builder = ImageBuilder()
        for layer in range(_LAYERS):
            builder = builder.layer(f"{number}-{layer}".encode(), "none")
        written = builder.write(store)
        entry = written.descriptor.to_json()
        name = f"registry.example/team-{number % 20}/image-{number}:1"
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        entries.append(entry)
    index = {"schemaVersion": 2, "manifests": entries}
    (store / "index.json").write_text(json.dumps(index), "utf-8")
