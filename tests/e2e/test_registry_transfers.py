"""Large layers: broken transfers, killed processes, many of them, and memory."""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.traces import eventually
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry
from tests.support.images import ImageBuilder, WrittenImage
from tests.support.registry_content import partial
from tests.support.registry_layout import routes
from tests.support.registry_server import Answer, ScriptedServer, Seen

MIB = 1 << 20
SIZE = 40 * MIB
STEP = 12 * MIB


def noise(seed: int, size: int) -> bytes:
    """Bytes of which no two parts are alike."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Large:
    """An image with a large layer, which is no tar: nothing here unpacks it."""

    layout: Path
    image: WrittenImage
    layer: bytes


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    layout = tmp_path_factory.mktemp("large")
    layer = noise(1, SIZE)
    return Large(layout, ImageBuilder().layer(layer, "none").write(layout), layer)


def offset_of(seen: Seen) -> int:
    return int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


def stored(imgfetch: Imgfetch, large: Large) -> bytes:
    return (imgfetch.store / "blobs/sha256" / large.image.layers[0].digest.encoded).read_bytes()


def test_r028_a_server_that_resets_every_connection(imgfetch: Imgfetch, large: Large) -> None:
    """What came once is not asked for again, but for what the break took with it."""
    served: list[int] = []

    def answer(seen: Seen) -> Answer:
        start = offset_of(seen)
        served.append(min(STEP, SIZE - start))
        if start == 0:
            return Answer(200, large.layer, cut=STEP, reset=True)
        return partial(large.layer, start, cut=STEP)

    digest = large.image.layers[0].digest
    with ScriptedServer(routes(large.layout, large.image, blobs={digest: answer})) as server:
        imgfetch("pull", f"{server.host}/app:1").succeeded()
    assert stored(imgfetch, large) == large.layer
    assert len(served) >= 4
    assert sum(served) < SIZE + STEP


def test_r091_what_a_killed_pull_has_fetched_is_not_fetched_again(
    imgfetch: Imgfetch, large: Large
) -> None:
    """S103."""
    half, killed = SIZE // 2, threading.Event()

    def first_half() -> Iterator[bytes]:
        yield large.layer[:half]
        killed.wait(30)

    def answer(seen: Seen) -> Answer:
        start = offset_of(seen)
        return partial(large.layer, start) if start else Answer(200, first_half(), length=SIZE)

    layer = large.image.layers[0]
    partial_file = imgfetch.store / f"ingest/sha256-{layer.digest.encoded}.partial"
    with ScriptedServer(routes(large.layout, large.image, blobs={layer.digest: answer})) as server:
        process = imgfetch.start("pull", f"{server.host}/app:1")
        try:
            assert eventually(
                lambda: partial_file.exists() and partial_file.stat().st_size == half, 30
            )
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed.set()
        imgfetch("pull", f"{server.host}/app:1").succeeded()
        asked = [offset_of(seen) for seen in server.asked(f"GET /v2/app/blobs/{layer.digest}")]
    assert asked == [0, half]
    assert stored(imgfetch, large) == large.layer


def test_r095_eight_processes_share_one_download(imgfetch: Imgfetch, large: Large) -> None:
    with ScriptedServer(routes(large.layout, large.image)) as server:
        reference = f"{server.host}/app:1"
        with ThreadPoolExecutor(8) as threads:
            for result in threads.map(lambda _: imgfetch("pull", reference), range(8)):
                result.succeeded()
        for blob in (large.image.config, *large.image.layers):
            assert len(server.asked(f"GET /v2/app/blobs/{blob.digest}")) == 1
    assert stored(imgfetch, large) == large.layer


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Large:
    """Four layers that are fetched at the same time."""
    layout = tmp_path_factory.mktemp("wide")
    builder = ImageBuilder()
    for number in range(4):
        builder = builder.layer(noise(number, MIB) * 40, "none")
    return Large(layout, builder.write(layout), b"")


# A process begins with the peak of the one that it was forked from, so one without images
# forks the command.
_PEAK = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


@pytest.mark.parametrize("verb", ["pull", "copy"])
def test_memory_does_not_grow_with_the_layers(
    imgfetch: Imgfetch, wide: Large, registry: DockerRegistry, verb: str
) -> None:
    with ScriptedServer(routes(wide.layout, wide.image)) as server:
        destination = [f"{registry.host}/wide/{verb}:1"] if verb == "copy" else []
        python = [sys.executable, "-I", "-c", _PEAK]
        process = imgfetch.start(verb, f"{server.host}/app:1", *destination, wrapper=python)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert int(out.splitlines()[-1]) < 100 << 10  # KiB
