"""Files of the system that the tests run on, as an image of two layers, through several tools.

What packages install has more shapes than anybody thinks of: farms of links, programs with
setuid bits, names in many scripts, owners, times down to nanoseconds. GNU tar makes layers of
it; whoever unpacks them has to make the same tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from tests.support.cli import Imgfetch
from tests.support.forked import in_namespaces
from tests.support.images import ImageBuilder
from tests.support.snapshots import Store, mounted
from tests.support.tools import require_tool
from tests.support.trees import Node, Tree, snapshot_tree
from tests.support.unpacking import MemoryContent

SOURCES = ("etc", "usr/share/zoneinfo", "usr/share/terminfo", "var/lib/dpkg")
PROGRAMS = ("usr/bin/su", "usr/bin/passwd", "usr/bin/newuidmap", "usr/bin/tar")
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
Format = Literal["pax", "gnu"]


@dataclass(frozen=True, slots=True)
class RealImage:
    """An image of real files.

    Attributes:
        base: a directory for the test.
        source: the files of the lower layer.
        streams: the layers, lowest first, not compressed.
        layout: has the image, named ``image``.
        form: of the archives.
    """

    base: Path
    source: Path
    streams: tuple[bytes, bytes]
    layout: Path
    form: Format


@pytest.fixture(scope="module", params=["pax", "gnu"])
def image(request: pytest.FixtureRequest) -> Iterator[RealImage]:
    """Not in pytest's own directories, which can't be removed with what is in them here."""
    base = Path(tempfile.mkdtemp(prefix="imgfetch-real-"))
    source, changes = base / "source", base / "changes"
    make_source(source)
    make_changes(changes, source)
    streams = (archive(source, request.param), archive(changes, request.param))
    builder = ImageBuilder().layer(streams[0], "stored-gzip").layer(streams[1], "stored-gzip")
    builder.write(base / "layout", ref="image")
    yield RealImage(base, source, streams, base / "layout", request.param)
    remove_tree(base)


def make_source(root: Path) -> None:
    root.mkdir(mode=0o755)
    found = [name for name in (*SOURCES, *PROGRAMS) if os.path.exists(f"/{name}")]
    # Other tests make users at the same time, which comes and goes with files in /etc.
    subprocess.run(["cp", "--archive", "--parents", *found, root], check=False, cwd="/")
    capable = root / "usr/bin/tar"
    os.setxattr(capable, "security.capability", CAPABILITY)
    os.setxattr(capable, "user.note", b"\0=\n\xff")
    for number, path in enumerate(files_below(root / "usr/share/zoneinfo")):
        if number % 10 == 0:
            os.link(path, root / f"usr/share/linked-{number}")


def make_changes(root: Path, source: Path) -> None:
    """A layer that removes, replaces and adds, and keeps the directories that it touches."""
    root.mkdir(mode=0o755)
    for name in ("usr/bin", "usr/share/zoneinfo", "etc/alternatives", "var/lib/dpkg"):
        copy_directories(source, root, name)
    for number, path in enumerate(files_below(source / "var/lib/dpkg")):
        changed = root / path.relative_to(source)
        copy_directories(source, root, str(changed.parent.relative_to(root)))
        if number % 3 == 0:
            changed.with_name(f".wh.{path.name}").touch()
        elif number % 5 == 0:
            changed.write_bytes(path.read_bytes()[::-1])
            os.chown(changed, number, 100_000 + number)
            changed.chmod(0o4711)
    (root / "etc/alternatives/.wh..wh..opq").touch()
    (root / "etc/alternatives/new").symlink_to("../" * 5 + "bin/sh")
    (root / "usr/share/terminfo").write_text("no longer a directory")
    (root / "usr/bin/su").mkdir(mode=0o2711)
    (root / "usr/bin/su/one").write_text("no longer a program")
    os.link(root / "usr/bin/su/one", root / "usr/bin/two")


def copy_directories(source: Path, target: Path, name: str) -> None:
    """Copies a directory without what is in it, and those above."""
    path = ""
    for part in name.split("/"):
        path = f"{path}{part}/"
        if not (target / path).is_dir():
            (target / path).mkdir()
            shutil.copystat(source / path, target / path)
            status = os.stat(source / path)
            os.chown(target / path, status.st_uid, status.st_gid)


def files_below(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def archive(root: Path, form: Format) -> bytes:
    options = ["--xattrs", "--xattrs-include=*"] if form == "pax" else []
    command = ["tar", "--create", f"--format={form}", *options, f"--directory={root}", "."]
    return subprocess.run(command, check=True, capture_output=True).stdout


def unpacked(image: RealImage, name: str) -> Path:
    """A directory that is not there yet, for one tool."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=image.base)) / "tree"


def unpack_with_ours(image: RealImage, imgfetch: Imgfetch) -> Tree:
    target = unpacked(image, "ours")
    imgfetch("unpack", "--rootfs-only", f"oci:{image.layout}:image", target).succeeded()
    return snapshot_tree(target)


def unpack_with_tar(image: RealImage, stream: bytes) -> Tree:
    target = unpacked(image, "tar")
    target.mkdir()
    flags = ["--same-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    command = [require_tool("tar"), "--extract", *flags, f"--directory={target}"]
    subprocess.run(command, input=stream, check=True)
    return snapshot_tree(target)


def mount_snapshots(image: RealImage, streams: tuple[bytes, ...], mode: str) -> Tree:
    content = MemoryContent()
    layers = [content.add_stream(stream) for stream in streams]
    # Snapshotters take any applier.
    store = Store(unpacked(image, "store"), content, applier=Applier())  # type: ignore[arg-type]

    def work(mapping: IdMapping) -> Tree:
        _, root = mounted(store, layers, mapping, mode)
        return snapshot_tree(root)

    return in_namespaces(work)


def differences(one: Tree, other: Tree) -> dict[str, tuple[Node | None, Node | None]]:
    """What differs: thousands of files are too many to be printed when one does."""
    return {
        path: (one.get(path), other.get(path))
        for path in one.keys() | other.keys()
        if one.get(path) != other.get(path)
    }


def as_gnu_has_it(tree: Tree) -> Tree:
    """A tree without what GNU's own format has no room for."""
    second = 1_000_000_000
    return {
        path: replace(node, xattrs=(), mtime_ns=node.mtime_ns // second * second)
        for path, node in tree.items()
    }


def test_umoci_makes_the_same_tree(image: RealImage, imgfetch: Imgfetch) -> None:
    target = unpacked(image, "umoci")
    options = ["raw", "unpack", f"--image={image.layout}:image", f"{target}"]
    subprocess.run([require_tool("umoci"), *options], check=True, capture_output=True)

    ours = unpack_with_ours(image, imgfetch)

    assert len(ours) > 1000
    assert differences(ours, snapshot_tree(target)) == {}


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_mounted_snapshots_show_the_tree_that_unpack_makes(
    image: RealImage, imgfetch: Imgfetch, mode: str
) -> None:
    mounted_tree = mount_snapshots(image, image.streams, mode)
    assert differences(mounted_tree, unpack_with_ours(image, imgfetch)) == {}


def test_gnu_tar_makes_the_same_tree_of_one_layer(image: RealImage) -> None:
    tree = mount_snapshots(image, image.streams[:1], "overlay")
    assert differences(tree, unpack_with_tar(image, image.streams[0])) == {}


def test_one_layer_is_the_files_that_it_was_made_of(image: RealImage) -> None:
    tree = mount_snapshots(image, image.streams[:1], "copy")
    source = snapshot_tree(image.source)
    assert differences(tree, as_gnu_has_it(source) if image.form == "gnu" else source) == {}
