"""Root filesystems by the real fuse-overlayfs, where the kernel refuses overlays to users."""

from __future__ import annotations

import errno
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from imgfetch.errors import NamespaceError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.runtime.watchdog import descendants
from imgfetch.snapshot.userns import enter
from tests.support.forked import become, forked
from tests.support.snapshots import BASE, EXPECTED, MIDDLE, TOP, Store, mounted, store_for
from tests.support.tools import require_tool
from tests.support.trees import snapshot_tree
from tests.support.users import PATH, User

Result = TypeVar("Result")
LAYERS = [BASE, MIDDLE, TOP]


@pytest.fixture
def store(any_user: User) -> Store:
    require_tool("fuse-overlayfs")
    return Store(any_user.directory("store"), search_path=PATH)


@pytest.fixture(autouse=True)
def no_overlays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel as it was before Linux 5.11, for users."""
    really = linux.mount

    def refuse(source: str, target: str, kind: str | None, *rest: object) -> None:
        if kind == "overlay":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), target)
        really(source, target, kind, *rest)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(linux, "mount", refuse)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """A node that everybody may open; the machine's own is closed on some."""
    node = tmp_path / "fuse"
    os.mknod(node, stat.S_IFCHR, os.makedev(10, 229))
    node.chmod(0o666)
    yield node
    node.unlink()


def as_user(work: Callable[[IdMapping], Result], user: User, device: Path | None) -> Result:
    """Runs a function as a user who is root in namespaces, with a device in /dev or none."""

    def inside() -> Result:
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
        linux.mount(str(device or "/dev/null"), "/dev/fuse", None, linux.MS_BIND)
        become(user)
        return work(enter(search_path=PATH, warn=print))

    return forked(inside)


def kind_of(path: Path) -> str:
    return {
        line.split()[4]: line.split(" - ")[1].split()[0]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    }.get(str(path), "none")


def daemons() -> list[int]:
    return descendants(os.getpid(), Path("/proc"))


def test_what_is_written_stays_in_the_run(store: Store, any_user: User, device: Path) -> None:
    """R126: the tree below is shared, and nothing is left of program or mount."""

    def work(mapping: IdMapping) -> tuple[str, set[str], set[str], set[str], list[int], list[str]]:
        made, root = mounted(store, LAYERS, mapping, name="one")
        kind, before = kind_of(root), set(snapshot_tree(root))
        (root / "etc/a").write_text("changed")
        (root / "etc/b").unlink()
        changed = set(snapshot_tree(root))
        made.unmount(root.parent)
        remove_tree(root.parent)
        left = daemons()
        made, root = mounted(store, LAYERS, mapping, name="two")
        after = set(snapshot_tree(root))
        assert (root / "etc/a").read_text() == "top"
        made.unmount(root.parent)
        remove_tree(root.parent)
        return kind, before, changed, after, left, os.listdir(store.path / "runs")

    kind, before, changed, after, left, runs = as_user(work, any_user, device)
    assert kind in {"fuse", "fuse.fuse-overlayfs"}
    assert before == after == EXPECTED
    assert changed == EXPECTED - {"etc/b"}
    assert (left, runs) == ([], [])


@pytest.mark.parametrize("lack", ["device", "plain path"])
def test_where_that_is_impossible_runs_get_a_copy(
    store: Store, any_user: User, device: Path, tmp_path: Path, lack: str
) -> None:
    """R172: without the device, or where the program would take the path for several."""
    if lack == "plain path":
        store = Store(store_for(any_user, tmp_path).path, search_path=PATH)

    def work(mapping: IdMapping) -> tuple[str, set[str], list[int]]:
        with pytest.raises(NamespaceError):
            mounted(store, LAYERS, mapping, "overlay", "refused")
        made, root = mounted(store, LAYERS, mapping, name="one")
        found = kind_of(root), set(snapshot_tree(root)), daemons()
        made.unmount(root.parent)
        return found

    found = as_user(work, any_user, None if lack == "device" else device)
    assert found == ("none", EXPECTED, [])


def test_the_program_ends_with_a_killed_process(store: Store, any_user: User, device: Path) -> None:
    """R145."""

    def work(mapping: IdMapping) -> list[int]:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                mounted(store, LAYERS, mapping, "fuse-overlayfs", "killed")
                os.write(write, " ".join(map(str, daemons())).encode())
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        os.close(write)
        with open(read) as pipe:
            found = [int(word) for word in pipe.read().split()]
        os.waitpid(child, 0)
        return found

    [program] = as_user(work, any_user, device)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{program}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_fails_says_why(store: Store, any_user: User, device: Path) -> None:
    directory = any_user.directory()
    broken = directory / "fuse-overlayfs"
    broken.write_text("#!/bin/sh\necho no fuse today >&2\nexit 1\n")
    broken.chmod(0o755)
    elsewhere = Store(store.path, search_path=str(directory))

    def work(mapping: IdMapping) -> str:
        with pytest.raises(NamespaceError) as caught:
            mounted(elsewhere, LAYERS, mapping, "fuse-overlayfs", "broken")
        return caught.value.message

    assert as_user(work, any_user, device).endswith("no fuse today")
