"""Archives between this command, podman and buildah: what one saves the other loads."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.archives import other
from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.tools import require_tool
from tests.support.users import PATH

__all__ = ["other"]

NAME = "localhost/image:1"
FORMS = ["oci-archive", "docker-archive"]


@dataclass(frozen=True, slots=True)
class Tools:
    """podman and buildah, with one storage.

    Attributes:
        directory: of theirs, empty before.
    """

    directory: Path

    def podman(self, *words: str | Path) -> str:
        """What podman prints."""
        return self._run(
            "podman", f"--tmpdir={self.directory}/libpod", "--events-backend=none", *words
        )

    def buildah(self, *words: str | Path) -> str:
        """What buildah prints."""
        return self._run("buildah", *words)

    def _run(self, program: str, *words: str | Path) -> str:
        storage = [f"--root={self.directory}/root", f"--runroot={self.directory}/run"]
        done = subprocess.run(
            [require_tool(program), *storage, "--storage-driver=vfs", *words],
            env={
                "PATH": PATH,
                "HOME": str(self.directory),
                "CONTAINERS_CONF": f"{self.directory}/conf",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def tools() -> Iterator[Tools]:
    # podman's directories may not have long names.
    with tempfile.TemporaryDirectory(prefix="pod-") as directory:
        # Not in the memory that all stores on the machine share.
        Path(directory, "conf").write_text('[engine]\nlock_type = "file"\n')
        yield Tools(Path(directory))


@pytest.fixture
def image(tmp_path: Path, imgfetch: Imgfetch) -> WrittenImage:
    """An image in the store, with layers of two compressions."""
    builder = ImageBuilder().layer({"a": File("1")}).layer({"b": File("2")}, "none")
    image = builder.config(cmd=["/a"]).write(tmp_path / "layout", NAME)
    imgfetch("pull", f"oci:{tmp_path}/layout:{NAME}").succeeded()
    return image


def _same(imgfetch: Imgfetch, name: str, image: WrittenImage) -> None:
    """An image that others have packed anew has the same config, and so the same content."""
    said = json.loads(imgfetch("inspect", "--format", "json", name).succeeded().stdout)
    (described,) = said if isinstance(said, list) else [said]
    assert described["manifest"]["config"]["digest"] == str(image.config.digest)
    assert [one["diffID"] for one in described["layers"]] == list(map(str, image.diff_ids))
    imgfetch("fsck").succeeded()


@pytest.mark.parametrize("form", FORMS)
def test_podman_loads_what_we_save_and_we_load_what_podman_saves(
    imgfetch: Imgfetch,
    other: Imgfetch,
    image: WrittenImage,
    tools: Tools,
    tmp_path: Path,
    form: str,
) -> None:
    """R074."""
    imgfetch("save", NAME, "--as", form, "-o", tmp_path / "ours.tar").succeeded()
    tools.podman("load", "--quiet", "--input", tmp_path / "ours.tar")
    shown = tools.podman("image", "inspect", NAME, "--format", "{{.Id}} {{.Config.Cmd}}")
    assert shown == f"{image.config.digest.encoded} [/a]"
    for theirs in FORMS:
        target = tmp_path / f"{theirs}.tar"
        tools.podman("save", "--quiet", "--format", theirs, "--output", target, NAME)
        other("load", "--force", "-i", target).succeeded()
        _same(other, NAME, image)


@pytest.mark.parametrize("form", FORMS)
def test_buildah_loads_what_we_save_and_we_load_what_buildah_pushes(
    imgfetch: Imgfetch,
    other: Imgfetch,
    image: WrittenImage,
    tools: Tools,
    tmp_path: Path,
    form: str,
) -> None:
    imgfetch("save", NAME, "--as", form, "-o", tmp_path / "ours.tar").succeeded()
    assert (
        tools.buildah("pull", "--quiet", f"{form}:{tmp_path}/ours.tar")
        == image.config.digest.encoded
    )
    target = f"{form}:{tmp_path}/theirs.tar:localhost/theirs:1"
    tools.buildah("push", "--quiet", image.config.digest.encoded, target)
    other("load", "-i", tmp_path / "theirs.tar").succeeded()
    _same(other, "localhost/theirs:1", image)
