"""Lock files: made, checked, and what is bound to them."""

from __future__ import annotations

import json
import tomllib

from tests.e2e.moving import Moving, names, version
from tests.e2e.published import FOREIGN, Published
from tests.support.cli import Imgfetch
from tests.support.images import host_platform
from tests.support.trees import snapshot_tree

HOST = str(host_platform())


def test_a_lock_file_says_what_references_stand_for(
    imgfetch: Imgfetch, published: Published
) -> None:
    index = published.indexes[published.multi]
    lock = imgfetch.home / "imgfetch.lock"
    said = imgfetch("lock", published.multi, published.busybox).succeeded()
    assert sorted(said.lines) == sorted(
        [
            f"+ {published.multi} {index.digest}",
            f"+ {published.busybox} {published.images[published.busybox].digest}",
        ]
    )
    document = tomllib.loads(lock.read_text())
    multi = next(one for one in document["image"] if one["reference"] == published.multi)
    here = index.images[0]
    assert multi["digest"] == str(index.digest)
    assert multi["platform"] == [
        {
            "platform": HOST,
            "digest": str(here.digest),
            "size": here.config.size + sum(layer.size for layer in here.layers),
        }
    ]
    assert not imgfetch.store.exists()
    before = lock.stat()
    assert imgfetch("lock", published.multi).succeeded().stdout == b""
    assert imgfetch("lock", "--check").succeeded().stdout == b""
    assert lock.stat() == before


def test_platforms_are_added_without_moving_anything(
    imgfetch: Imgfetch, published: Published
) -> None:
    imgfetch("lock", published.multi).succeeded()
    said = imgfetch("lock", "--platform", FOREIGN, published.multi).succeeded()
    platforms = ", ".join(sorted([HOST, FOREIGN]))
    assert said.lines == [f"~ {published.multi} for {platforms}"]
    imgfetch("lock", "-o", "all.lock", "--all-platforms", published.multi).succeeded()
    both = [(imgfetch.home / name).read_bytes() for name in ("imgfetch.lock", "all.lock")]
    assert both[0] == both[1]


def test_a_list_is_all_that_is_locked(imgfetch: Imgfetch, published: Published) -> None:
    imgfetch("lock", published.multi).succeeded()
    listed = imgfetch.home / "images.txt"
    listed.write_text(f"# what we use\n{published.busybox}  # the base\n\n")
    said = imgfetch("lock", "-f", listed, "--format", "json").succeeded()
    changes = {one["reference"]: one["kind"] for one in json.loads(said.stdout)}
    assert changes == {published.multi: "removed", published.busybox: "added"}
    from_stdin = imgfetch("lock", "-f", "-", input=published.multi.encode()).succeeded()
    assert len(from_stdin.lines) == 2


def test_a_tag_that_moved_is_drift(imgfetch: Imgfetch, moving: Moving) -> None:
    reference, old = moving.publish("drift", version("1"))
    other, _ = moving.publish("steady", version("1"))
    imgfetch("lock", reference, other).succeeded()
    lock = (imgfetch.home / "imgfetch.lock").read_bytes()
    _, new = moving.publish("drift", version("2"))
    said = imgfetch("lock", "--check").exited(16)
    assert said.lines == [f"~ {reference} {old.digest} -> {new.digest}"]
    assert (imgfetch.home / "imgfetch.lock").read_bytes() == lock
    assert imgfetch("lock").succeeded().stdout == b""
    assert imgfetch("lock", "--upgrade", other).succeeded().stdout == b""
    assert len(imgfetch("lock", "--upgrade", reference).succeeded().lines) == 1
    imgfetch("lock", "--check").succeeded()


def test_pull_and_run_use_what_is_locked(imgfetch: Imgfetch, moving: Moving) -> None:
    """R104: whatever the tag stands for by now."""
    reference, old = moving.publish("used", version("old"))
    imgfetch("lock", reference).succeeded()
    _, new = moving.publish("used", version("new"))
    run = ("run", "--network", "none")
    locked = ("--locked", "imgfetch.lock")
    assert imgfetch(*run, reference).succeeded().stdout == b"new"
    assert imgfetch(*run, *locked, reference).succeeded().stdout == b"old"
    # What the name stands for has not moved by that; what was run has a name of its own.
    pinned = f"{reference.rpartition(':')[0]}@{old.digest}"
    assert names(imgfetch) == {reference: str(new.digest), pinned: str(old.digest)}
    assert imgfetch("--offline", *run, *locked, reference).succeeded().stdout == b"old"
    pulled = imgfetch("pull", *locked, reference).succeeded()
    assert pulled.lines == [pinned]
    assert names(imgfetch)[reference] == str(old.digest)
    in_environment = imgfetch(*run, reference, env={"IMGFETCH_LOCKED": "imgfetch.lock"})
    assert in_environment.succeeded().stdout == b"old"


def test_what_is_not_locked_is_refused(
    imgfetch: Imgfetch, published: Published, moving: Moving
) -> None:
    reference, _ = moving.publish("refused", version("1"))
    imgfetch("lock", published.multi).succeeded()
    locked = ("--locked", "imgfetch.lock")
    said = imgfetch("pull", *locked, reference).exited(16)
    assert f"{reference} is not in imgfetch.lock" in said.errors
    imgfetch("run", "--network", "none", *locked, reference).exited(125)
    imgfetch("save", "-o", "x.tar", *locked, reference).exited(16)
    imgfetch("unpack", *locked, reference, "x").exited(16)
    imgfetch("bundle", *locked, reference, "x").exited(16)
    imgfetch("spec", *locked, reference).exited(16)
    imgfetch("export", *locked, reference, "-o", "x.tar").exited(16)
    imgfetch("extract", *locked, reference, "version").exited(16)
    imgfetch("push", *locked, reference, f"{moving.registry.host}/pushed:1").exited(16)
    imgfetch("pull", *locked, f"oci:{moving.layout}:refused").exited(16)
    imgfetch("pull", *locked, "--platform", FOREIGN, published.multi).exited(16)
    imgfetch("pull", "--all-platforms", published.multi).succeeded()
    there = f"{moving.registry.host}/pushed:1"
    for wanted in (("--platform", FOREIGN), ("--all-platforms",)):
        said = imgfetch("push", *locked, *wanted, published.multi, there).exited(16)
        assert f"for {FOREIGN} is not in imgfetch.lock" in said.errors
        imgfetch("copy", *locked, *wanted, published.multi, there).exited(16)
    imgfetch("push", *locked, published.multi, there).succeeded()
    digest = published.pinned(published.stencil).partition("@")[2]
    other = f"{published.multi.rpartition(':')[0]}@{digest}"
    imgfetch("pull", *locked, other).exited(16)
    imgfetch("pull", *locked, published.pinned(published.multi)).succeeded()
    imgfetch("pull", "--locked", "no.lock", published.multi).exited(2)


def test_sync_makes_the_store_what_the_lock_file_says(
    imgfetch: Imgfetch, published: Published, moving: Moving
) -> None:
    reference, old = moving.publish("synced", version("old"))
    imgfetch("lock", reference, published.multi).succeeded()
    moving.publish("synced", version("new"))
    imgfetch("pull", reference, published.bare).succeeded()
    before = snapshot_tree(imgfetch.store)
    dry = imgfetch("sync", "--prune", "--dry-run").succeeded()
    assert snapshot_tree(imgfetch.store) == before
    said = imgfetch("sync", "--prune").succeeded()
    assert said.stdout == dry.stdout
    index = published.indexes[published.multi]
    assert sorted(said.lines) == sorted(
        [
            f"+ {reference} {old.digest}",
            f"+ {published.multi} {index.digest}",
            f"- {published.bare} {published.images[published.bare].digest}",
        ]
    )
    assert names(imgfetch) == {
        reference: str(old.digest),
        published.multi: str(index.digest),
    }
    assert imgfetch("--offline", "sync", "--prune").succeeded().stdout == b""
    imgfetch("fsck").succeeded()
    usage = json.loads(imgfetch("df", "--format", "json").succeeded().stdout)
    assert usage["blobs"]["reclaimable"] == 0


def test_sync_that_fails_moves_no_name(imgfetch: Imgfetch, moving: Moving) -> None:
    kept, old = moving.publish("kept", version("old"))
    imgfetch("pull", kept).succeeded()
    moving.publish("kept", version("new"))
    imgfetch("lock", kept).succeeded()
    lock = imgfetch.home / "imgfetch.lock"
    digest = "sha256:" + "0" * 64
    document = lock.read_text() + lock.read_text().partition("[[image]]")[2].join(
        ["\n[[image]]", ""]
    ).replace("moving/kept", "moving/zz").replace("digest = ", f'digest = "{digest}" #')
    lock.write_text(document)
    imgfetch("sync", "--prune").exited(7)
    assert names(imgfetch) == {kept: str(old.digest)}
