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

import click
import pytest
import requests

from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from tests.support.cli import Imgfetch
from tests.support.forked import in_namespaces
from tests.support.images import ImageBuilder
from tests.support.materialised import memory
from tests.support.snapshots import Store, mounted
from tests.support.tools import require_tool
from tests.support.trees import Node, Tree, snapshot_tree
from tests.support.unpacking import MemoryContent
from tests.support.users import CHECKOUT, PATH

# What packages of several kinds install, and what they keep beside it.
SOURCES = (
    "etc",
    "usr/share/zoneinfo",
    "var/cache/man",
    "var/lib/dpkg",
    "var/log/apt",
    "var/mail",
)
PROGRAMS = ("usr/bin/su", "usr/bin/passwd", "usr/bin/newuidmap", "usr/bin/tar", "usr/bin/chage")
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
Format = Literal["pax", "gnu"]

# Bytes that all of it takes: what tests unpack, some of them at the same time.
ROOM = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Files:
    """The files that images are made of.

    Attributes:
        base: a directory for the tests.
        lower: the files of the lower layer.
        upper: what is above it, with whiteouts.
    """

    base: Path
    lower: Path
    upper: Path


@dataclass(frozen=True, slots=True)
class RealImage:
    """An image of real files.

    Attributes:
        base: a directory for the test.
        source: the files of the lower layer.
        streams: the layers, lowest first, not compressed.
        layout: has the image, named ``image``.
        form: of the archives.
        ours: what ``unpack`` makes of it.
    """

    base: Path
    source: Path
    streams: tuple[bytes, bytes]
    layout: Path
    form: Format
    ours: Tree


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    """Not in pytest's own directories, which can't be removed with what is in them here."""
    base = Path(tempfile.mkdtemp(prefix="imgfetch-real-", dir=memory(ROOM)))
    lower, upper = base / "lower", base / "upper"
    make_source(lower)
    make_changes(upper, lower)
    yield Files(base, lower, upper)
    remove_tree(base)


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, files: Files) -> RealImage:
    base = files.base / request.param
    base.mkdir()
    streams = (archive(files.lower, request.param), archive(files.upper, request.param))
    builder = ImageBuilder().layer(streams[0], "stored-gzip").layer(streams[1], "stored-gzip")
    builder.write(base / "layout", ref="image")
    imgfetch = Imgfetch(base / "store", base)
    imgfetch("unpack", "--rootfs-only", f"oci:{base}/layout:image", base / "ours").succeeded()
    ours = snapshot_tree(base / "ours")
    return RealImage(base, files.lower, streams, base / "layout", request.param, ours)


def make_source(root: Path) -> None:
    root.mkdir(mode=0o755)
    found = [name for name in (*SOURCES, *PROGRAMS) if os.path.exists(f"/{name}")]
    # Other tests make users at the same time, which comes and goes with files in /etc.
    subprocess.run(["cp", "--archive", "--parents", *found, root], check=False, cwd="/")
    capable = root / "usr/bin/tar"
    os.setxattr(capable, "security.capability", CAPABILITY)
    os.setxattr(capable, "user.note", b"\0=\n\xff")
    installed = [CHECKOUT / ".venv/bin", *map(Path, requests.__path__), *map(Path, click.__path__)]
    (root / "opt").mkdir()
    subprocess.run(["cp", "--archive", *installed, root / "opt"], check=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    os.mkfifo(root / "tmp/pipe", 0o622)
    for number, path in enumerate(files_below(root / "usr/share/zoneinfo")):
        if number % 10 == 0:
            os.link(path, root / f"usr/share/linked-{number}")
    (root / "usr/share/terminfo/x").mkdir(parents=True)
    (root / "usr/share/terminfo/x/xterm").write_bytes(b"\x1a\x01")


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


in_both_forms = pytest.mark.parametrize("image", ["pax", "gnu"], indirect=True)
in_one_form = pytest.mark.parametrize("image", ["pax"], indirect=True)


@in_both_forms
def test_umoci_makes_the_same_tree(image: RealImage) -> None:
    target = unpacked(image, "umoci")
    options = ["raw", "unpack", f"--image={image.layout}:image", f"{target}"]
    subprocess.run([require_tool("umoci"), *options], check=True, capture_output=True)

    assert len(image.ours) > 4000
    assert differences(image.ours, snapshot_tree(target)) == {}


@in_one_form
def test_podman_mounts_the_same_tree(image: RealImage) -> None:
    # Its directories may not have long names.
    own = Path(tempfile.mkdtemp(prefix="pod-", dir=memory(ROOM)))
    try:
        # What it mounts is gone with the namespace.
        theirs = in_namespaces(lambda _: mounted_by_podman(image, own))
    finally:
        remove_tree(own)
    # The root has attributes of its own there, whatever the layers say.
    assert differences(image.ours, {**theirs, ".": image.ours["."]}) == {}


def mounted_by_podman(image: RealImage, own: Path) -> Tree:
    """An image as podman's overlay storage shows it."""
    # Not in the memory that all stores on the machine share.
    (own / "conf").write_text('[engine]\nlock_type = "file"\n')
    storage = [f"--root={own}/root", f"--runroot={own}/run", f"--tmpdir={own}/libpod"]
    options = ["--storage-driver=overlay", "--runtime=runc", "--events-backend=none"]
    podman = [require_tool("podman"), *storage, *options]
    env = {"PATH": PATH, "HOME": f"{own}", "CONTAINERS_CONF": f"{own}/conf"}

    def run(*words: str) -> str:
        done = subprocess.run([*podman, *words], check=True, env=env, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    name = run("pull", "--quiet", f"oci:{image.layout}:image")
    return snapshot_tree(Path(run("image", "mount", name)))


@in_one_form
@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_mounted_snapshots_show_the_tree_that_unpack_makes(image: RealImage, mode: str) -> None:
    assert differences(mount_snapshots(image, image.streams, mode), image.ours) == {}


@in_one_form
def test_gnu_tar_makes_the_same_tree_of_one_layer(image: RealImage) -> None:
    tree = mount_snapshots(image, image.streams[:1], "overlay")
    assert differences(tree, unpack_with_tar(image, image.streams[0])) == {}


@in_both_forms
def test_one_layer_is_the_files_that_it_was_made_of(image: RealImage) -> None:
    tree = mount_snapshots(image, image.streams[:1], "copy")
    source = snapshot_tree(image.source)
    assert differences(tree, as_gnu_has_it(source) if image.form == "gnu" else source) == {}
