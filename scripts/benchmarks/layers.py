"""Pulling and unpacking, with nothing there before, beside the tools that do the same.

Images come from a registry on loopback. Everything is in memory: what is compared is the
work, and not a disk and its moods.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

import trustme

from scripts.benchmarks import peers
from scripts.benchmarks.contender import machine, run_once, take_turns
from scripts.benchmarks.places import IMGFETCH, environment, scratch
from scripts.benchmarks.sample_images import IMAGE, TWIN, sample
from tests.support.docker_registry import Tls, docker_registry
from tests.support.upload import upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scripts.benchmarks.contender import Contender
    from scripts.benchmarks.peers import Stage
    from scripts.benchmarks.sample_images import Sample

_HEAD = """\
| image | task | beside | s | its s | wall | CPU | peak MiB | its MiB |
|---|---|---|---:|---:|---:|---:|---:|---:|"""


class Comparison(NamedTuple):
    """Two contenders that do the same."""

    task: str
    ours: Contender
    peer: Contender | None


def bench_layers(
    *,
    images: Sequence[str],
    compressions: Sequence[str],
    tasks: Sequence[str],
    cache: Path,
    rounds: int,
) -> None:
    """Measures and prints a table.

    Args:
        images: some of A, B, C, D.
        compressions: gzip, zstd or both.
        tasks: words that the names of tasks begin with; all of them if there are none.
        cache: where images are kept.
        rounds: how many times each contender has its turn.
    """
    print(f"{machine()}; all on tmpfs, nothing there before; medians of {rounds} rounds\n")
    print(_HEAD, flush=True)
    missing = set()
    for name in images:
        for compression in compressions:
            image = sample(name, compression, cache)
            with scratch() as directory, _stage(image, directory) as stage:
                comparisons = [one for one in _comparisons(stage) if _is_wanted(one.task, tasks)]
                missing |= {one.task for one in comparisons if one.peer is None}
                _measure(image, [one for one in comparisons if one.peer], rounds)
    for task in sorted(missing):
        print(f"bench: left out, its peer is missing or can't: {task}", file=sys.stderr)


def _is_wanted(task: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(task.startswith(word) for word in wanted)


def _measure(image: Sample, comparisons: Sequence[Comparison], rounds: int) -> None:
    contenders: dict[str, Contender] = {}
    for _, ours, peer in comparisons:
        contenders[ours.name] = ours
        if peer is not None:
            contenders[peer.name] = peer
    take_turns(list(contenders.values()), rounds)
    for task, ours, peer in comparisons:
        if peer is not None:
            print(
                f"| {image.name} {image.compression} | {task} | {peer.name} "
                f"| {ours.wall:.2f} | {peer.wall:.2f} "
                f"| {ours.wall / peer.wall:.2f} | {ours.cpu / peer.cpu:.2f} "
                f"| {ours.peak_mib:.0f} | {peer.peak_mib:.0f} |",
                flush=True,
            )


def _comparisons(stage: Stage) -> list[Comparison]:
    image = stage.reference
    both = peers.imgfetch(
        stage, "pull, unpack", lambda own: [["pull", image], ["unpack", image, own / "b"]]
    )
    unpack = peers.imgfetch(stage, "unpack", lambda own: [["unpack", image, own / "b"]])
    pull = peers.imgfetch(stage, "pull --unpack", lambda _: [["pull", "--unpack", image]])
    secure = f"{stage.tls_host}/{stage.repository}:{IMAGE}"
    trusting = ["--insecure-skip-verify", stage.tls_host]
    over_tls = peers.imgfetch(
        stage, "unpack over TLS", lambda own: [["unpack", *trusting, secure, own / "b"]]
    )
    copy = peers.skopeo_and_umoci(stage)
    tls_peer = peers.ch_image(stage)
    return [
        Comparison("pull, unpack", both, copy),
        Comparison("unpack", unpack, copy),
        Comparison("pull --unpack", pull, peers.podman(stage)),
        Comparison("pull --unpack", pull, peers.udocker(stage)),
        Comparison("unpack over TLS", over_tls, tls_peer),
        *_comparisons_with_stored(stage),
        *_comparisons_with_twin(stage),
    ]


def _comparisons_with_stored(stage: Stage) -> list[Comparison]:
    """Unpacking what was pulled before."""
    store = stage.own("stored")
    run_once({**stage.env, "IMGFETCH_STORE": f"{store}"}, IMGFETCH, "pull", stage.reference)
    stored = peers.imgfetch(
        stage,
        "unpack, stored",
        lambda own: [["--offline", "--store", store, "unpack", stage.reference, own / "b"]],
    )
    return [
        Comparison("unpack, stored", stored, peers.umoci(stage)),
        Comparison("unpack, stored", stored, peers.decompressor_and_tar(stage)),
    ]


def _comparisons_with_twin(stage: Stage) -> list[Comparison]:
    """Pulling an image of which all but the topmost layer are here."""
    twin = f"{stage.host}/{stage.repository}:{TWIN}"

    def pull_image(env: dict[str, str]) -> None:
        run_once(env, IMGFETCH, "pull", "--unpack", stage.reference)

    cold = peers.imgfetch(stage, "its own cold pull", lambda _: [["pull", "--unpack", twin]])
    warm = peers.imgfetch(
        stage, "pull, shared layers", lambda _: [["pull", "--unpack", twin]], pull_image
    )
    return [Comparison("pull, shared layers", warm, cold)]


@contextlib.contextmanager
def _stage(image: Sample, directory: Path) -> Iterator[Stage]:
    """An image in two registries with the same files, one of them behind TLS."""
    repository = f"bench/{image.name.lower()}"
    plain, secure = directory / "registry", directory / "registry-tls"
    for path in (plain / "data", secure):
        path.mkdir(parents=True)
    (secure / "data").symlink_to(plain / "data")
    tls = _tls(directory)
    with docker_registry(plain) as registry, docker_registry(secure, tls=tls) as tls_registry:
        for descriptor, tag in ((image.image, IMAGE), (image.twin, TWIN)):
            upload(registry.host, image.layout, descriptor, repository, tag)
        yield peers.Stage(
            sample=image,
            host=registry.host,
            tls_host=tls_registry.host,
            repository=repository,
            directory=directory,
            env=environment(directory),
        )


def _tls(directory: Path) -> Tls:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(key)
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(certificate, append=number > 0)
    return Tls(certificate, key)
