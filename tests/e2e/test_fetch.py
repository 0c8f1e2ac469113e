"""resolve, pull and what is in the store afterwards."""

from __future__ import annotations

import concurrent.futures
import json
import stat
from pathlib import Path

import pytest

from tests.e2e.published import FOREIGN, Published, by_digest
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry
from tests.support.images import host_platform
from tests.support.trees import snapshot_tree


def _stored_names(imgfetch: Imgfetch) -> list[str]:
    index = json.loads((imgfetch.store / "index.json").read_bytes())
    return [
        entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]
    ]


def _blobs(store: Path) -> set[str]:
    return {f"{path.parent.name}:{path.name}" for path in (store / "blobs").glob("*/*")}


@pytest.mark.parametrize("name", ["busybox", "multi", "docker"])
def test_resolve_prints_the_digest_for_this_platform(
    imgfetch: Imgfetch, published: Published, name: str
) -> None:
    reference = getattr(published, name)
    result = imgfetch("resolve", reference).succeeded()
    assert result.stdout == f"{published.pinned(reference)}\n".encode()
    assert not imgfetch.store.exists()


def test_resolve_stops_at_the_index_on_request(imgfetch: Imgfetch, published: Published) -> None:
    index = published.indexes[published.multi]
    result = imgfetch("resolve", "--index", published.multi).succeeded()
    assert result.lines == [by_digest(published.multi, str(index.digest))]


def test_resolve_finds_another_platform(imgfetch: Imgfetch, published: Published) -> None:
    foreign = published.indexes[published.multi].images[1]
    result = imgfetch("resolve", "--platform", FOREIGN, published.multi).succeeded()
    assert result.lines == [by_digest(published.multi, str(foreign.digest))]


def test_resolve_prints_a_line_for_each_reference(imgfetch: Imgfetch, published: Published) -> None:
    references = [published.busybox, published.multi, published.docker]
    result = imgfetch("resolve", *references).succeeded()
    assert result.lines == [published.pinned(reference) for reference in references]


def test_what_resolve_prints_can_be_pulled(imgfetch: Imgfetch, published: Published) -> None:
    pinned = imgfetch("resolve", published.multi).succeeded().lines[0]
    assert imgfetch("pull", pinned).succeeded().lines == [pinned]


def test_the_digest_decides_over_the_tag(imgfetch: Imgfetch, published: Published) -> None:
    """S033."""
    digest = published.pinned(published.busybox).partition("@")[2]
    both = f"{published.busybox.rpartition(':')[0]}:no-such-tag@{digest}"
    for verb in ("resolve", "pull"):
        assert imgfetch(verb, both).succeeded().lines == [published.pinned(published.busybox)]


def test_pull_stores_exactly_what_the_platform_needs(
    imgfetch: Imgfetch, published: Published
) -> None:
    """R050: attestations come first in this index."""
    index = published.indexes[published.multi]
    image = index.images[0]
    result = imgfetch("pull", published.multi).succeeded()
    assert result.lines == [published.pinned(published.multi)]
    wanted = {index.digest, image.digest, image.config.digest}
    wanted |= {layer.digest for layer in image.layers}
    assert _blobs(imgfetch.store) == {str(digest) for digest in wanted}
    assert _stored_names(imgfetch) == [published.multi]


def test_pull_takes_several_platforms(imgfetch: Imgfetch, published: Published) -> None:
    images = published.indexes[published.multi].images
    lines = [by_digest(published.multi, str(image.digest)) for image in images]
    here = ["--platform", str(host_platform()), "--platform", FOREIGN]
    assert imgfetch("pull", *here, published.multi).succeeded().lines == lines
    assert imgfetch("pull", "--all-platforms", published.multi).succeeded().lines == lines
    assert imgfetch("--offline", "resolve", "--platform", FOREIGN, published.multi).lines == [
        lines[1]
    ]


def test_a_second_pull_changes_nothing(imgfetch: Imgfetch, published: Published) -> None:
    first = imgfetch("pull", published.layered).succeeded()
    before = snapshot_tree(imgfetch.store, ignore={"mtime_ns"})
    second = imgfetch("pull", published.layered).succeeded()
    assert second.stdout == first.stdout
    assert snapshot_tree(imgfetch.store, ignore={"mtime_ns"}) == before


def test_the_store_is_closed_to_others_whatever_the_umask(
    imgfetch: Imgfetch, published: Published
) -> None:
    """S088."""
    shell = imgfetch.start(
        "pull", published.busybox, wrapper=["sh", "-c", 'umask 0; exec "$@"', "sh"]
    )
    assert shell.wait(60) == 0
    shell.communicate()
    directories = [imgfetch.store, *(path for path in imgfetch.store.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}


def test_eight_pulls_at_once_all_succeed(imgfetch: Imgfetch, published: Published) -> None:
    """R095, R096."""
    references = [published.layered, published.multi, published.stencil, published.docker] * 2
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda reference: imgfetch("pull", reference), references))
    for reference, result in zip(references, results, strict=True):
        assert result.succeeded().lines == [published.pinned(reference)]
    assert sorted(_stored_names(imgfetch)) == sorted(set(references))


def test_images_lists_what_was_pulled(imgfetch: Imgfetch, published: Published) -> None:
    imgfetch("pull", published.busybox, published.multi).succeeded()
    table = imgfetch("images").succeeded()
    assert len(table.lines) == 3
    assert published.busybox.partition(":1")[0].rpartition("/")[2] in table.stdout.decode()
    listed = json.loads(imgfetch("images", "--format", "json").succeeded().stdout)
    assert (
        imgfetch("ls", "--format", "json").succeeded().stdout
        == imgfetch("images", "--format", "json").succeeded().stdout
    )
    assert len(listed) == 2


def test_inspect_shows_an_image(imgfetch: Imgfetch, published: Published) -> None:
    imgfetch("pull", published.layered).succeeded()
    image = published.images[published.layered]
    shown = json.loads(
        imgfetch("inspect", "--format", "json", published.layered).succeeded().stdout
    )
    [shown] = shown if isinstance(shown, list) else [shown]
    assert shown["digest"] == str(image.digest)
    assert [layer["diffID"] for layer in shown["layers"]] == list(map(str, image.diff_ids))
    assert shown["config"]["config"]["Cmd"] == ["sh"]


def test_rmi_takes_the_name_and_what_it_alone_kept(
    imgfetch: Imgfetch, published: Published
) -> None:
    imgfetch("pull", published.busybox).succeeded()
    kept = _blobs(imgfetch.store)
    imgfetch("pull", published.layered).succeeded()
    imgfetch("rmi", published.layered).succeeded()
    assert _stored_names(imgfetch) == [published.busybox]
    assert _blobs(imgfetch.store) == kept
    imgfetch("rmi", published.busybox).succeeded()
    assert _blobs(imgfetch.store) == set()
    imgfetch("rmi", published.busybox).exited(11)


def test_a_flipped_byte_is_found_and_nothing_is_named(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    """The registry's own copy of a layer is damaged on its disk."""
    from tests.e2e.published import publish
    from tests.support.docker_registry import docker_registry

    imgfetch("pull", published.busybox).succeeded()
    before = snapshot_tree(imgfetch.store)
    with docker_registry(tmp_path / "registry") as registry:
        damaged = publish(registry, tmp_path / "layout")
        layer = damaged.images[damaged.layered].layers[1]
        _flip_a_byte(registry, layer.digest.encoded)
        result = imgfetch("pull", damaged.layered).exited(4)
    assert str(layer.digest) in result.errors
    assert result.stdout == b""
    after = snapshot_tree(imgfetch.store)
    assert _stored_names(imgfetch) == [published.busybox]
    assert str(layer.digest) not in _blobs(imgfetch.store)
    files = {path for path, node in before.items() if node.kind == "file"}
    assert {path: after[path] for path in files} == {path: before[path] for path in files}


def _flip_a_byte(registry: DockerRegistry, encoded: str) -> None:
    blobs = registry.data_dir / "docker/registry/v2/blobs/sha256"
    path = blobs / encoded[:2] / encoded / "data"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_a_rotten_blob_in_the_store_is_not_used(imgfetch: Imgfetch, published: Published) -> None:
    """S121."""
    imgfetch("pull", published.layered).succeeded()
    layer = published.images[published.layered].layers[1].digest
    blob = imgfetch.store / "blobs" / layer.algorithm / layer.encoded
    raw = bytearray(blob.read_bytes())
    raw[-1] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(raw)
    target = imgfetch.home / "bundle"
    result = imgfetch("--offline", "unpack", published.layered, target)
    assert result.returncode in {4, 11, 12}, result.errors
    assert not (target / "rootfs").exists()
