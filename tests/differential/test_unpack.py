"""The same layers through umoci and GNU tar: the trees have to be the same to the last bit."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imgfetch.fs.idmap import IdRange
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import MappedOwners
from tests.support.contents import (
    Contents,
    Device,
    Dir,
    Fifo,
    File,
    Hardlink,
    Opaque,
    Symlink,
    Whiteout,
    tar,
)
from tests.support.images import ImageBuilder
from tests.support.layers import apply_layer
from tests.support.materialised import memory
from tests.support.tools import require_tool
from tests.support.trees import Tree, snapshot_tree

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")

BASE: Contents = {
    ".": Dir(mode=0o755, mtime=1_500_000_000),
    "bin": Dir(),
    "bin/sh": File(b"\x7fELF" * 1000, mode=0o755),
    "bin/su": File("su", mode=0o4755, gid=12),
    "bin/ping": File("ping", mode=0o755, xattrs={"security.capability": CAPABILITY}),
    "bin/bash": Hardlink("bin/sh"),
    "dev": Dir(),
    "dev/null": Device(1, 3, mode=0o666),
    "etc": Dir(mtime=1_234_567_890.123),
    "etc/passwd": File("root:x:0:0::/:/bin/sh\n", mtime=1_234_567_890.987654321),
    "etc/shadow": File("root:*\n", mode=0o640, gid=42),
    "etc/rc.d": Dir(),
    "etc/rc.d/S01": Symlink("../init.d/one"),
    "etc/init.d": Dir(),
    "etc/init.d/one": File("one", mode=0o755),
    "etc/init.d/two": File("two", mode=0o755),
    "home": Dir(),
    "home/user": Dir(mode=0o2750, uid=1000, gid=1000, xattrs={"user.note": b"\0\xff"}),
    "home/user/file": File("x" * 100_000, uid=1000, gid=1000, mode=0o600),
    "run": Dir(),
    "run/pipe": Fifo(mode=0o622),
    "tmp": Dir(mode=0o1777),
    "var": Dir(),
    "var/run": Symlink("/run"),
    "var/lock": Symlink("../run/lock"),
    "closed": Dir(mode=0o000),
    "closed/file": File("x", mode=0o000),
    "long": Dir(),
    f"long/{'n' * 200}": File("name"),
    f"long/{'d' * 120}": Dir(),
    f"long/{'d' * 120}/{'f' * 120}": File("path"),
    "long/link": Symlink("t" * 300),
}

UPPERS: dict[str, Sequence[Contents]] = {
    "nothing": [{}],
    "files replaced": [
        {
            "etc": Dir(mtime=5),
            "etc/passwd": File("new"),
            "bin/sh": File("new", mode=0o755),
            "etc/init.d": File("a file now"),
            "tmp": Symlink("var"),
            "var/run": Dir(mode=0o700),
            "etc/rc.d/S01": File("a file too"),
        }
    ],
    "parents through links": [
        {"var/run/x": File("x"), "var/run/y": Hardlink("var/run/x"), "home/user/new": File("n")}
    ],
    "whiteouts": [
        {
            "etc/passwd": Whiteout(),
            "bin/bash": Whiteout(),
            "home": Whiteout(),
            "var/run": Whiteout(),
            "not/there": Whiteout(),
            "run/pipe": Whiteout(),
        }
    ],
    "opaque first": [
        [("etc", Dir()), ("etc", Opaque()), ("etc/new", File("new")), ("etc/rc.d", Dir())]
    ],
    "opaque last": [
        [("etc", Dir()), ("etc/new", File("new")), ("etc/rc.d", Dir()), ("etc", Opaque())]
    ],
    "a whiteout and a new file": [[("etc/passwd", Whiteout()), ("etc/passwd", File("new"))]],
    "deleted and made again": [{"etc": Whiteout()}, {"etc": Dir(mode=0o711), "etc/x": File("x")}],
    "the root": [{".": Dir(mode=0o711, uid=5, gid=6, mtime=7)}],
    "attributes of directories": [
        {
            "home/user": Dir(xattrs={"user.other": b"1"}),
            "closed": Dir(mode=0o755),
            "etc": Dir(mode=0o700, uid=3, gid=4, mtime=1.5),
        }
    ],
    "hard links to files below": [
        {"etc/copy": Hardlink("etc/passwd"), "bin/su": Hardlink("bin/ping")}
    ],
    "many layers": [
        {"etc/a": File("1")},
        {"etc/b": Hardlink("etc/a")},
        {"etc/a": File("2")},
        {"etc/a": Whiteout(), "etc/c": Hardlink("etc/b")},
    ],
}


@pytest.fixture
def base() -> Iterator[Path]:
    """Not pytest's own directories, which can't be removed with what is in them here."""
    path = Path(tempfile.mkdtemp(prefix="imgfetch-differential-", dir=memory()))
    yield path
    remove_tree(path)


def unpack_with_umoci(base: Path, layers: Sequence[Contents], *options: str) -> Tree:
    builder = ImageBuilder()
    for contents in layers:
        builder = builder.layer(contents)
    builder.write(base / "layout", ref="image")
    command = [require_tool("umoci"), "raw", "unpack", *options]
    image = f"--image={base / 'layout'}:image"
    subprocess.run([*command, image, base / "umoci"], check=True, capture_output=True)
    return snapshot_tree(base / "umoci")


def unpack_with_ours(
    base: Path, streams: Sequence[bytes], options: ApplyOptions | None = None
) -> Tree:
    root = base / "ours"
    root.mkdir(mode=0o755)
    for stream in streams:
        apply_layer(root, stream, options=options)
    return snapshot_tree(root)


# umoci has given this directory its time when it removes what was in it.
TIME_LOST_BY_UMOCI = {"opaque last": "etc/rc.d"}


@pytest.mark.parametrize("case", UPPERS)
def test_umoci_makes_the_same_tree(base: Path, case: str) -> None:
    layers = [BASE, *UPPERS[case]]
    ours = unpack_with_ours(base, [tar(contents) for contents in layers])
    theirs = unpack_with_umoci(base, layers)
    if case in TIME_LOST_BY_UMOCI:
        path = TIME_LOST_BY_UMOCI[case]
        theirs[path] = replace(theirs[path], mtime_ns=ours[path].mtime_ns)
    assert ours == theirs


def test_umoci_maps_owners_the_same_way(base: Path) -> None:
    ranges = (IdRange(0, 1000, 1), IdRange(1, 100_000, 2000))
    maps = [f"--{kind}-map={':'.join(map(str, r))}" for kind in ("uid", "gid") for r in ranges]
    options = ApplyOptions(owners=MappedOwners(ranges, ranges))
    # Capabilities carry the id of their root in a user namespace, which umoci does not do.
    contents = {path: entry for path, entry in dict(BASE).items() if path != "bin/ping"}
    ours = unpack_with_ours(base, [tar(contents)], options)
    assert ours == unpack_with_umoci(base, [contents], *maps)


def test_umoci_keeps_links_to_directories_the_same_way(base: Path) -> None:
    uppers: Sequence[Contents] = [{"var/run": Dir(), "var/run/x": File("x"), "tmp": Symlink("run")}]
    layers = [BASE, *uppers]
    streams = [tar(contents) for contents in layers]
    ours = unpack_with_ours(base, streams, ApplyOptions(keep_dirlinks=True))
    assert ours == unpack_with_umoci(base, layers, "--keep-dirlinks")


def make_tree(root: Path) -> None:
    """Everything that a file system can have, as far as tar can say it."""
    root.mkdir()
    for number in range(40):
        directory = root / f"d{number % 7}" / ("deep" * (number % 50)) / f"e{number}"
        directory.mkdir(parents=True)
        path = directory / ("f" * (1 + 6 * number))
        path.write_bytes(bytes(range(256)) * number * 7)
        os.link(path, root / f"link{number}")
        path.chmod(0o400 + number)
        os.chown(path, number * 1000, number)
        os.setxattr(path, "user.number", b"%d\n=\0" % number)
        os.utime(path, ns=(0, number * 10**17 + 123_456_789))
        (directory / "symlink").symlink_to("x" * (1 + 20 * number))
        os.utime(directory, ns=(0, -number * 10**15))
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    (root / os.fsdecode(b"\xff\xfe\n -")).mkdir(mode=0o1777)
    with (root / "sparse").open("wb") as sparse:
        sparse.seek(10_000_000)
        sparse.write(b"data")
        sparse.truncate(20_000_000)


@pytest.mark.parametrize(
    "options",
    [
        ["--format=pax", "--xattrs", "--xattrs-include=*", "--sparse"],
        ["--format=pax", "--sparse", "--sparse-version=0.1"],
        ["--format=gnu", "--sparse"],
        ["--format=gnu", "--blocking-factor=1"],
        ["--format=ustar"],
    ],
    ids=["pax", "pax-sparse", "gnu", "gnu-block", "ustar"],
)
def test_gnu_tar_makes_the_same_tree(base: Path, options: list[str]) -> None:
    """Of archives that GNU tar wrote itself."""
    make_tree(base / "source")
    program, archive = require_tool("tar"), base / "archive"
    command = [program, "--create", f"--file={archive}", f"--directory={base / 'source'}", "."]
    written = subprocess.run([*command, *options], check=False, capture_output=True)
    # ustar has no room for all of it, which makes tar end with an error after all the rest.
    assert written.returncode == (2 if options == ["--format=ustar"] else 0)
    theirs = base / "tar"
    theirs.mkdir()
    flags = ["--same-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    command = [program, "--extract", *flags, f"--file={archive}", f"--directory={theirs}"]
    subprocess.run(command, check=True)
    ours = unpack_with_ours(base, [archive.read_bytes()])
    assert len(ours) > 70
    assert ours == snapshot_tree(theirs)
