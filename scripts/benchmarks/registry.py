"""A pull from a registry on this machine: nothing is unpacked."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import trustme

from scripts.benchmarks.contender import Contender, machine, take_turns
from scripts.benchmarks.places import IMGFETCH, environment, scratch
from tests.support.busybox import busybox_builder
from tests.support.docker_registry import Tls, docker_registry
from tests.support.images import ImageBuilder
from tests.support.upload import upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MIB = 1 << 20
_AUTHORITY = "authority.pem"


def bench_registry(rounds: int) -> None:
    """Measures pulls into empty directories and prints a table."""
    print(f"{machine()}; a pull into an empty directory: imgfetch / skopeo; {rounds} rounds\n")
    print("| image | over | wall ms | ratio | CPU ms | ratio | peak MiB | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with scratch() as directory:
        names = _upload_all(directory)
        certificate = directory / "registry.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(directory / _AUTHORITY))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(certificate)
        )
        for over, tls in (("HTTP", None), ("TLS", Tls(certificate, certificate))):
            with docker_registry(directory / "registry", tls=tls) as registry:
                for name, repository in names.items():
                    ours, theirs = _contenders(
                        directory, f"{registry.host}/{repository}", tls=tls is not None
                    )
                    take_turns([ours, theirs], rounds)
                    print(f"| {name} | {over} | {_cells(ours, theirs)} |", flush=True)


def _cells(ours: Contender, theirs: Contender) -> str:
    figures = (
        (ours.wall * 1000, theirs.wall * 1000),
        (ours.cpu * 1000, theirs.cpu * 1000),
        (ours.peak_mib, theirs.peak_mib),
    )
    return " | ".join(f"{one:.0f} / {other:.0f} | {one / other:.2f}" for one, other in figures)


def _upload_all(directory: Path) -> dict[str, str]:
    """Puts all images into the registry below a directory; their names there."""
    names = {}
    with docker_registry(directory / "registry") as registry:
        for number, (name, builder) in enumerate(_images()):
            layout = directory / "layout"
            written = builder.write(layout)
            upload(registry.host, layout, written.descriptor, f"bench/{number}", "1")
            shutil.rmtree(layout)
            names[name] = f"bench/{number}:1"
    return names


def _images() -> Iterator[tuple[str, ImageBuilder]]:
    """Images to pull, of noise: what layers are makes no difference until they are applied."""
    yield "busybox, one layer of 1 MiB", busybox_builder()
    several = ImageBuilder()
    for number in range(12):
        several = several.layer(_noise(number, 5 * _MIB), "none")
    yield "12 layers of 5 MiB", several
    yield "one layer of 256 MiB", ImageBuilder().layer(_noise(99, _MIB) * 256, "none")


def _noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same ones every time."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret


def _contenders(directory: Path, image: str, *, tls: bool) -> tuple[Contender, Contender]:
    """Both programs, each with an empty place of its own for every round."""
    env = {**environment(directory), "SSL_CERT_FILE": str(directory / _AUTHORITY)}
    store, layout = directory / "store", directory / "pulled"

    def clear() -> None:
        for place in (store, layout):
            if place.exists():
                shutil.rmtree(place)

    # It speaks plain HTTP to those only whose certificate it does not insist on.
    skopeo = ["skopeo", "copy", "--quiet", f"--src-tls-verify={str(tls).lower()}"]
    return (
        Contender("imgfetch", lambda _: [[IMGFETCH, "--quiet", "pull", image]], env, clear),
        Contender(
            "skopeo", lambda _: [[*skopeo, f"docker://{image}", f"oci:{layout}:1"]], env, clear
        ),
    )
