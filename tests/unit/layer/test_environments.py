"""Layers applied where things are different: on a mounted overlay, and without privileges.

Each case is a program of its own, for it needs another user or a mount namespace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.fs.removal import remove_tree
from tests.support.contents import Contents, Device, Dir, File, Hardlink, Opaque, Symlink, Whiteout
from tests.support.contents import tar as make_layer
from tests.support.layers import apply_layer
from tests.support.tools import require_tool
from tests.support.trees import Tree, snapshot_tree
from tests.support.users import User, plain_user, run_as

__all__ = ["plain_user"]

BASE: Contents = {
    "d": Dir(mtime=1),
    "d/old": File("old"),
    "d/sub": Dir(mode=0o750, mtime=2),
    "d/sub/old": File("old", uid=5),
    "e": Dir(mtime=3, xattrs={"user.a": b"1"}),
    "e/deep": Dir(mtime=4),
    "e/deep/er": Dir(mtime=5),
    "e/deep/er/file": File("x"),
    "l": Symlink("d"),
    "h": File("linked"),
    "i": Hardlink("h"),
}
UPPER: Contents = [
    ("d/new", File("new")),
    ("d/sub", Dir(mode=0o711, mtime=6)),
    ("d", Opaque()),
    ("e/deep", Whiteout()),
    ("e/deep", Dir(mode=0o700, mtime=7)),
    ("e/deep/file", File("new")),
    ("h", File("other")),
    ("j", Hardlink("i")),
    ("l", Dir(mtime=8)),
    ("l/x", File("x", uid=7, mode=0o4755)),
]
TOP: Contents = {"e": Whiteout(), "d/sub/again": File("again"), "i": Whiteout(), "k": Dir()}

# Applies layers to a directory: lower ones to one of their own, the last over an overlay.
_APPLY = """
import json, os, sys
from pathlib import Path
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import SingleOwner
from tests.support.layers import apply_layer
root, single, *layers = sys.argv[1:]
options = ApplyOptions(owners=SingleOwner()) if single == "single" else None
for layer in layers:
    stats = apply_layer(Path(root), Path(layer).read_bytes(), options=options)
print(json.dumps([stats.unmapped_owners, stats.skipped_devices]))
"""


@pytest.fixture
def base() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="imgfetch-layers-"))
    path.chmod(0o755)
    yield path
    remove_tree(path)


def write_layers(directory: Path, *layers: Contents) -> list[Path]:
    paths = []
    for number, contents in enumerate(layers):
        path = directory / f"layer{number}"
        path.write_bytes(make_layer(contents))
        paths.append(path)
    return paths


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}


@pytest.mark.parametrize("uppers", [[UPPER], [UPPER, TOP], [TOP]])
def test_a_mounted_overlay_gives_the_same_tree_as_a_directory(
    base: Path, uppers: list[Contents]
) -> None:
    """Each layer in a directory of its own, applied over an overlay of those below."""
    flat = base / "flat"
    flat.mkdir(mode=0o755)
    for contents in (BASE, *uppers):
        apply_layer(flat, make_layer(contents))
    for name in ("merged", *(f"u{n}" for n in range(3)), *(f"w{n}" for n in range(3))):
        (base / name).mkdir(mode=0o755)
    layers = write_layers(base, BASE, *uppers)
    lines = [f'{sys.executable} -c "$PROGRAM" u0 all {layers[0]}']
    for number, path in enumerate(layers[1:], 1):
        lowers = ":".join(f"u{below}" for below in reversed(range(number)))
        overlay = f"lowerdir={lowers},upperdir=u{number},workdir=w{number}"
        lines += [
            f"mount -t overlay none -o {overlay} merged",
            f'{sys.executable} -c "$PROGRAM" merged all {path}',
        ]
    lines.append("cp --archive merged copy")
    done = subprocess.run(
        [require_tool("unshare"), "--mount", "sh", "-euc", "\n".join(lines)],
        cwd=base,
        env={**environment(), "PROGRAM": _APPLY},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    copy, expected = snapshot_tree(base / "copy"), snapshot_tree(flat)
    # An overlay's root is the topmost directory, of which these layers say nothing.
    del copy["."], expected["."]
    assert copy == expected


CLOSED: Contents = {
    "closed": Dir(mode=0o000, mtime=1),
    "closed/file": File("x", mode=0o000, uid=5, gid=6),
    "readonly": Dir(mode=0o555, mtime=2),
    "readonly/inner": Dir(mode=0o555),
    "readonly/inner/file": File("x", mode=0o4755),
    "dev/null": Device(1, 3),
}
INTO_CLOSED: Contents = {
    "closed/new": File("new"),
    "readonly/inner/file": Whiteout(),
    "readonly/inner": Dir(mode=0o511),
    "readonly/new": File("new", uid=9),
}


def as_user(
    user: User, layers: list[Contents], *, single: bool, prefix: list[str]
) -> tuple[Tree, str, str]:
    """Applies layers as a user; the tree, and what was printed."""
    place = user.directory()
    (place / "root").mkdir()
    os.chown(place / "root", user.uid, user.gid)
    paths = write_layers(place, *layers)
    argv = [*prefix, sys.executable, "-c", _APPLY, place / "root", "single" if single else "all"]
    done = run_as(user, [*argv, *paths], {"PYTHONPATH": environment()["PYTHONPATH"]})
    return snapshot_tree(place / "root"), done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("prefix", [[], ["unshare", "--user", "--map-root-user"]], ids=["", "ns"])
def test_r071_closed_directories_are_filled_and_closed_again(
    plain_user: User, prefix: list[str]
) -> None:
    """R121 and R122 as well: owners and devices are counted, not made."""
    tree, counted, _ = as_user(plain_user, [CLOSED, INTO_CLOSED], single=True, prefix=prefix)
    modes = {path: node.mode for path, node in tree.items() if path not in {".", "dev"}}
    assert modes == {
        "closed": 0o000,
        "closed/file": 0o000,
        "closed/new": 0o644,
        "readonly": 0o555,
        "readonly/inner": 0o511,
        "readonly/new": 0o644,
    }
    assert [tree[path].mtime_ns // 10**9 for path in ("closed", "readonly")] == [1, 2]
    assert {node.uid for node in tree.values()} == {plain_user.uid}
    assert json.loads(counted) == [1, 0]
    _, counted, _ = as_user(plain_user, [CLOSED], single=True, prefix=prefix)
    assert json.loads(counted) == [1, 1]


def test_r071_owners_permissions_are_lifted_and_restored(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in this process, which only takes itself for somebody without privileges."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    base.chmod(0o555)
    for contents in (CLOSED, INTO_CLOSED, {"closed/newer": File()}):
        apply_layer(base, make_layer(contents))
    modes = {path: node.mode for path, node in snapshot_tree(base).items() if node.kind == "dir"}
    assert modes == {
        ".": 0o555,
        "closed": 0o000,
        "dev": 0o755,
        "readonly": 0o555,
        "readonly/inner": 0o511,
    }


def test_r120_an_id_that_the_namespace_does_not_have_is_an_error(plain_user: User) -> None:
    prefix = ["unshare", "--user", "--map-root-user"]
    _, _, said = as_user(plain_user, [{"a": File("x", uid=1_516_583)}], single=False, prefix=prefix)
    assert "'a' belongs to 1516583:0, which can't be set here" in said
