"""The store looked after: room, damage, and what is in use."""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.e2e.moving import Moving, names
from tests.e2e.people import Somebody
from tests.e2e.published import Published
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder
from tests.support.mounts import read_only, small_tmpfs
from tests.support.tools import require_tool
from tests.support.trees import snapshot_tree


class TestInUse:
    def test_a_running_containers_image_stays(self, anybody: Somebody) -> None:
        """R102."""
        imgfetch, image = anybody.imgfetch, anybody.published.settings
        mounted = anybody.published.layered
        process = imgfetch.start(
            "run", "-i", "--network", "none", "--mount", f"type=image,src={mounted},dst=/mnt",
            image, "sh", "-c", "echo ready; cat",
            stdin=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            for used in (image, mounted):
                said = imgfetch("rmi", used).exited(11)
                assert f"{used} is used by container" in said.errors
            dry = imgfetch("prune", "--max-size", "0", "--dry-run", "--format", "json")
            doomed = json.loads(dry.succeeded().stdout)["names"]
            assert not {image, mounted} & set(doomed)
            assert anybody.published.stencil in doomed
            # Another name keeps it, so this one may go.
            imgfetch("tag", image, "other:1").succeeded()
            assert imgfetch("rmi", "other:1").succeeded().lines == ["docker.io/library/other:1"]
        finally:
            process.communicate(timeout=30)
        assert process.returncode == 0

    def test_force_takes_the_name_and_the_container_goes_on(self, newcomer: Somebody) -> None:
        imgfetch, image = newcomer.imgfetch, newcomer.published.busybox
        process = imgfetch.start(
            "run", "-i", "--network", "none", image, "sh", "-c", "echo ready; cat; ls /bin/sh",
            stdin=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            imgfetch("rmi", "--force", image).succeeded()
        finally:
            rest, errors = process.communicate(timeout=30)
        assert rest == b"/bin/sh\n", errors
        assert names(imgfetch) == {}
        imgfetch("prune").succeeded()
        assert not list((imgfetch.store / "blobs").glob("*/*"))
        assert not list((imgfetch.store / "snapshots").glob("*/*"))


class TestRoom:
    def test_what_was_not_used_for_long_goes(
        self, imgfetch: Imgfetch, published: Published
    ) -> None:
        imgfetch("pull", "--unpack", published.busybox, published.layered).succeeded()
        month = time.time() - 40 * 24 * 3600
        for reference in (published.busybox, published.layered):
            digest = published.images[reference].digest
            os.utime(imgfetch.store / "blobs" / digest.algorithm / digest.encoded, (month, month))
        imgfetch("run", "--network", "none", published.busybox, "true").succeeded()
        dry = imgfetch("prune", "--unused-for", "30d", "--dry-run", "--format", "json")
        expected = json.loads(dry.succeeded().stdout)
        assert expected["names"] == [published.layered]
        said = imgfetch("prune", "--unused-for", "30d", "--format", "json").succeeded()
        assert json.loads(said.stdout) == {**expected, "dryRun": False}
        assert list(names(imgfetch)) == [published.busybox]
        imgfetch("--offline", "run", "--network", "none", published.busybox, "true").succeeded()

    def test_the_store_is_made_to_fit(self, imgfetch: Imgfetch, published: Published) -> None:
        imgfetch("pull", published.stencil, published.bare, published.layered).succeeded()
        usage = json.loads(imgfetch("df", "--format", "json").succeeded().stdout)
        limit = usage["blobs"]["size"] - 1
        said = imgfetch("prune", "--max-size", f"{limit}").succeeded()
        assert said.lines[0].startswith("- ")
        after = json.loads(imgfetch("df", "--format", "json").succeeded().stdout)
        assert after["blobs"]["size"] <= limit
        imgfetch("fsck").succeeded()
        imgfetch("prune", "--max-size", "0").succeeded()
        assert names(imgfetch) == {}

    def test_a_pull_that_can_not_fit_fetches_no_layer(
        self, imgfetch: Imgfetch, moving: Moving, tmp_path: Path
    ) -> None:
        """R090: each layer alone would fit."""
        builder = ImageBuilder()
        for _ in range(3):
            builder = builder.layer({"x": File(os.urandom(200 << 10))}, "none")
        reference, written = moving.publish("large", builder)
        with small_tmpfs(tmp_path / "small", size=512 << 10) as mounted:
            small = Imgfetch(mounted / "store", imgfetch.home)
            said = small("pull", reference).exited(15)
            assert "expected 630.0 KiB free" in said.errors
            assert said.errors.count("KiB free") == 2
            stored = {path.name for path in (mounted / "store/blobs/sha256").iterdir()}
            assert stored == {written.digest.encoded, written.config.digest.encoded}
            assert not list((mounted / "store/ingest").iterdir())


def test_read_only_stores_are_used_in_place(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    shared = Imgfetch(tmp_path / "shared", imgfetch.home)
    shared("pull", "--unpack", published.busybox).succeeded()
    before = snapshot_tree(shared.store)
    for options, env in (
        (["--store-ro", str(shared.store)], {}),
        ([], {"IMGFETCH_STORE_RO": f"/no/such/store:{shared.store}"}),
    ):
        with read_only(shared.store):
            said = imgfetch(
                *options, "--offline", "run", "--network", "none", published.busybox,
                "echo", "hello", env=env,
            )  # fmt: skip
        assert said.succeeded().stdout == b"hello\n"
    assert snapshot_tree(shared.store) == before
    for directory in ("blobs", "snapshots"):
        assert not list((imgfetch.store / directory).glob("*/*"))
    listed = imgfetch("--store-ro", shared.store, "images", "--format", "json").succeeded()
    assert [one["name"] for one in json.loads(listed.stdout)] == [published.busybox]
    assert names(imgfetch) == {}
    # Shared layers are not fetched again.
    imgfetch("--store-ro", shared.store, "pull", published.layered).succeeded()
    base = published.images[published.layered].layers[0].digest
    assert base == published.images[published.busybox].layers[0].digest
    assert not (imgfetch.store / "blobs" / base.algorithm / base.encoded).exists()
    imgfetch("--store-ro", shared.store, "fsck").succeeded()
    imgfetch("--store-ro", shared.store, "rmi", published.busybox).exited(11)


def test_a_run_in_a_store_that_can_not_be_written_says_what_to_do(
    imgfetch: Imgfetch, published: Published
) -> None:
    """R105."""
    imgfetch("pull", "--unpack", published.busybox).succeeded()
    with read_only(imgfetch.store):
        said = imgfetch("run", "--network", "none", published.busybox, "true").exited(125)
        assert "Read-only file system" in said.errors
        assert "--store-ro" in said.errors
        assert names(imgfetch)
        imgfetch("fsck").succeeded()
        for arguments in (["prune"], ["rmi", published.busybox]):
            assert "--store-ro" in imgfetch(*arguments).exited(11).errors


def test_fsck_fetches_again_what_has_rotted(imgfetch: Imgfetch, published: Published) -> None:
    """S121."""
    imgfetch("pull", published.multi).succeeded()
    layer = published.indexes[published.multi].images[0].layers[0].digest
    blob = imgfetch.store / "blobs" / layer.algorithm / layer.encoded
    whole = blob.read_bytes()
    blob.write_bytes(bytes(len(whole)))
    imgfetch("fsck").exited(11)
    said = imgfetch("fsck", "--repair").succeeded()
    assert said.lines[-1] == (
        f"image {published.multi}: no platform of it is complete (fetched again)"
    )
    assert blob.read_bytes() == whole
    imgfetch("fsck").succeeded()


def test_damaged_snapshots_are_unpacked_again(newcomer: Somebody) -> None:
    """R094: also by users whose files belong to subordinate ids."""
    imgfetch, image = newcomer.imgfetch, newcomer.published.layered
    imgfetch("pull", "--unpack", image).succeeded()
    records = sorted(imgfetch.store.glob("snapshots/*/*/layer.json"))
    for record in records[:1]:
        record.write_bytes(b"")
    damaged = imgfetch("fsck").exited(11)
    assert len(damaged.lines) == 1
    imgfetch("fsck", "--repair").succeeded()
    imgfetch("fsck").succeeded()
    said = imgfetch("--offline", "run", "--network", "none", image, "cat", "/d/a")
    assert said.succeeded().stdout == b"a3"
    assert sorted(imgfetch.store.glob("snapshots/*/*/layer.json")) == records


def test_history_and_tag(imgfetch: Imgfetch, published: Published) -> None:
    image = published.images[published.layered]
    steps = json.loads(
        imgfetch("history", "--format", "json", published.layered).succeeded().stdout
    )
    assert [step["layer"] for step in steps] == [str(layer.digest) for layer in image.layers]
    assert not imgfetch.store.exists()
    imgfetch("pull", published.layered).succeeded()
    assert imgfetch("tag", published.layered, "mine").succeeded().lines == [
        "docker.io/library/mine:latest"
    ]
    pinned = published.pinned(published.layered)
    assert imgfetch("tag", pinned, "mine:2").succeeded().lines == ["docker.io/library/mine:2"]
    assert set(names(imgfetch).values()) == {str(image.digest)}
    imgfetch("tag", "no/such:1", "mine:3").exited(11)
    imgfetch("tag", published.layered, pinned).exited(3)


def test_sixteen_pulls_while_prune_runs_in_a_loop(imgfetch: Imgfetch, moving: Moving) -> None:
    """R095, R096, R102: nothing is deleted that somebody is about to name."""
    references = {}
    for number in range(8):
        shared = busybox_builder().layer({"shared": File(f"{number // 4}" * 3000)})
        reference, written = moving.publish(
            f"many-{number}", shared.layer({"own": File(f"{number}")})
        )
        references[reference] = str(written.digest)
    stop = False

    def prune() -> int:
        rounds = 0
        while not stop:
            imgfetch("-q", "prune").succeeded()
            rounds += 1
        return rounds

    with concurrent.futures.ThreadPoolExecutor(17) as threads:
        pruning = threads.submit(prune)
        try:
            pulls = [
                threads.submit(imgfetch, "--progress", "json", "pull", one)
                for one in [*references, *references]
            ]
            said = [
                line for pull in pulls for line in pull.result().succeeded().errors.splitlines()
            ]
        finally:
            stop = True
        assert pruning.result() > 0
    assert names(imgfetch) == references
    events = [event for event in map(json.loads, said) if event["event"] == "progress"]
    fetched = Counter(event["digest"] for event in events if event["stage"] == "done")
    blobs = {f"sha256:{path.name}" for path in (imgfetch.store / "blobs/sha256").iterdir()}
    assert fetched == dict.fromkeys(blobs, 1)
    imgfetch("fsck").succeeded()
    imgfetch("prune").succeeded()
    imgfetch("fsck").succeeded()
    assert set(_output("umoci", "ls", "--layout", imgfetch.store).split()) == set(references)
    for reference, digest in references.items():
        shown = json.loads(_output("skopeo", "inspect", f"oci:{imgfetch.store}:{reference}"))
        assert shown["Digest"] == digest


def _output(*argv: str | Path) -> str:
    program, *words = argv
    return subprocess.run(
        [require_tool(str(program)), *words], check=True, capture_output=True, text=True, timeout=60
    ).stdout
