"""What tests of archives share: images to save, and a second store to load them into."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder
from tests.support.tarballs import file, write_tar


@pytest.fixture
def other(tmp_path: Path, imgfetch: Imgfetch) -> Imgfetch:
    """The same user with another store."""
    return Imgfetch(store=tmp_path / "other-store", home=imgfetch.home)


def small_image(layout: Path, text: str, ref: str = "x") -> str:
    """A name for an image with one file."""
    ImageBuilder().layer({"f": File(text)}).config(cmd=["/f"]).write(layout, ref)
    return f"oci:{layout}:{ref}"


def files_of(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        found = {}
        for member in opened:
            content = opened.extractfile(member) if member.isfile() else None
            if content is not None:
                found[member.name] = content.read()
        return found


def repacked(path: Path, files: dict[str, bytes]) -> Path:
    return write_tar(path, [file(name, content) for name, content in files.items()])
