"""S121: layers that have changed in the store since they were fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.busybox import busybox_builder
from tests.support.commandline import CommandLine
from tests.support.fake_runtime import fake_runtime
from tests.support.images import File, ImageBuilder, WrittenImage

NAME = "registry.test/app:1"


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image in the store, and the layout it is from."""

    command_line: CommandLine
    source: str
    image: WrittenImage

    @property
    def layer(self) -> Path:
        return self.command_line.store / "blobs/sha256" / self.image.layers[1].digest.encoded


@pytest.fixture(params=["none", "gzip", "zstd"])
def pulled(command_line: CommandLine, tmp_path: Path, request: pytest.FixtureRequest) -> Pulled:
    layout = tmp_path / "layout"
    builder = busybox_builder().layer({"x": File("x" * 4096)}, request.param)
    image = builder.write(layout, NAME)
    command_line("pull", f"oci:{layout}").succeeded()
    return Pulled(command_line, f"oci:{layout}", image)


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_rotten_layer_is_discarded_and_the_next_pull_fetches_it_again(
    pulled: Pulled, tmp_path: Path, where: str
) -> None:
    raw = pulled.layer.read_bytes()
    place = {"start": 0, "middle": len(raw) // 2, "end": len(raw) - 1}[where]
    pulled.layer.write_bytes(raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1 :])
    digest = str(pulled.image.layers[1].digest)

    said = pulled.command_line("-q", "unpack", f"store:{NAME}", tmp_path / "bundle").failed(11)
    assert f"layer {digest} was damaged in the store" in said.err
    assert f"expected {digest}" in said.err
    assert "the next pull fetches it again" in said.err
    assert not pulled.layer.exists()
    assert not (tmp_path / "bundle").exists()
    assert digest in pulled.command_line("-q", "unpack", f"store:{NAME}", "bundle").failed(11).err

    pulled.command_line("pull", pulled.source).succeeded()
    assert pulled.layer.read_bytes() == raw
    runtime = fake_runtime(tmp_path / "runtime")
    words = ["-q", "run", "--network", "none", "--runtime", str(runtime.program), f"store:{NAME}"]
    pulled.command_line.forked(*words).succeeded()
    assert runtime.was_started


def test_a_run_of_a_rotten_layer_leaves_no_snapshot_of_it(pulled: Pulled, tmp_path: Path) -> None:
    raw = pulled.layer.read_bytes()
    pulled.layer.write_bytes(bytes(len(raw)))
    runtime = fake_runtime(tmp_path / "runtime")
    words = ["-q", "run", "--network", "none", "--runtime", str(runtime.program), f"store:{NAME}"]
    said = pulled.command_line.forked(*words).failed(125)
    assert "was damaged in the store" in said.err
    assert not runtime.was_started
    # The layer below it may be there by now, or not.
    names = {path.name for path in (pulled.command_line.store / "snapshots/root").iterdir()}
    assert names <= {pulled.image.diff_ids[0].encoded}
    assert not pulled.layer.exists()
    assert not (pulled.command_line.store / "runs").exists()


def test_a_layer_that_was_made_wrong_stays_and_is_blamed_itself(
    command_line: CommandLine, tmp_path: Path
) -> None:
    builder = ImageBuilder().layer(b"this is no archive, and it never was one", "none")
    image = builder.write(tmp_path / "layout", NAME)
    command_line("pull", f"oci:{tmp_path}/layout").succeeded()
    command_line("-q", "unpack", f"store:{NAME}", "bundle").failed(12)
    blob = command_line.store / "blobs/sha256" / image.layers[0].digest.encoded
    assert blob.exists()


def test_a_layer_that_the_config_promises_otherwise_stays(
    command_line: CommandLine, tmp_path: Path
) -> None:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
    builder = ImageBuilder().layer({"a": File("1")}).config(rootfs=rootfs)
    image = builder.write(tmp_path / "layout", NAME)
    command_line("pull", f"oci:{tmp_path}/layout").succeeded()
    command_line("-q", "unpack", f"store:{NAME}", "bundle").failed(4)
    assert (command_line.store / "blobs/sha256" / image.layers[0].digest.encoded).exists()
