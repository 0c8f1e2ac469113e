"""sync --to: what a lock file names, in another registry or in a layout."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.oci import mediatype
from tests.e2e.moving import Moving, version
from tests.e2e.published import FOREIGN, Published
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.images import (
    File,
    ImageBuilder,
    add_blob,
    add_document,
    host_platform,
    write_index,
)
from tests.support.tools import require_tool
from tests.support.trees import snapshot_tree
from tests.support.upload import upload

HOST = str(host_platform())
_WRITES = re.compile(r'"(?:POST|PUT|PATCH) ')


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DockerRegistry]:
    """An empty registry."""
    with docker_registry(tmp_path / "target") as running:
        yield running


def writes(registry: DockerRegistry) -> int:
    """How often a registry was asked to change something."""
    return len(_WRITES.findall(registry.log.read_text("utf-8")))


def there(reference: str, target: DockerRegistry, prefix: str = "base/") -> str:
    """The name that an image has at the destination."""
    return f"{target.host}/{prefix}{reference.partition('/')[2]}"


def skopeo(*argv: str) -> bytes:
    done = subprocess.run(
        [require_tool("skopeo"), *argv], check=True, capture_output=True, timeout=60
    )
    return done.stdout


def test_everything_that_is_locked_arrives_with_its_digests(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    """R050: attestations in front of the images go along."""
    references = (published.layered, published.docker, published.multi)
    imgfetch("lock", "--all-platforms", *references).succeeded()
    arguments = ("sync", "--to", f"{target.host}/base")
    dry = imgfetch(*arguments, "--dry-run").succeeded()
    assert writes(target) == 0
    said = imgfetch(*arguments).succeeded()
    assert said.stdout == dry.stdout
    index = published.indexes[published.multi]
    assert sorted(said.lines) == sorted(
        [
            f"+ {there(published.multi, target)} {index.digest}",
            *(
                f"+ {there(one, target)} {published.images[one].digest}"
                for one in (published.layered, published.docker)
            ),
        ]
    )
    assert not imgfetch.store.exists() or not list(imgfetch.store.glob("blobs/*/*"))
    name = there(published.multi, target)
    for platform, image in zip((HOST, FOREIGN), index.images, strict=True):
        resolved = imgfetch("resolve", "--platform", platform, name).succeeded()
        assert resolved.stdout.decode().strip().endswith(f"@{image.digest}")
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    assert raw == (published.layout / "blobs/sha256" / index.digest.encoded).read_bytes()


def test_what_is_there_is_not_sent_again(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    imgfetch("lock", "--all-platforms", published.layered, published.multi).succeeded()
    arguments = ("sync", "--to", target.host)
    assert len(imgfetch(*arguments).succeeded().lines) == 2
    sent = writes(target)
    again = imgfetch(*arguments, "--format", "json").succeeded()
    assert [step["action"] for step in json.loads(again.stdout)] == ["keep", "keep"]
    assert writes(target) == sent
    imgfetch("lock", published.busybox).succeeded()
    only = imgfetch(*arguments).succeeded()
    digest = published.images[published.busybox].digest
    assert only.lines == [f"+ {there(published.busybox, target, '')} {digest}"]


def test_a_tag_that_stands_for_something_else_there_is_moved(
    imgfetch: Imgfetch, published: Published, moving: Moving, target: DockerRegistry
) -> None:
    reference, old = moving.publish("forward", version("old"))
    imgfetch("lock", reference).succeeded()
    imgfetch("copy", published.busybox, there(reference, target)).succeeded()
    moving.publish("forward", version("new"))
    said = imgfetch("sync", "--to", f"{target.host}/base").succeeded()
    assert said.lines == [f"+ {there(reference, target)} {old.digest}"]
    resolved = imgfetch("resolve", there(reference, target)).succeeded()
    assert resolved.lines[0].endswith(str(old.digest))


def test_what_the_store_has_comes_from_the_store(
    imgfetch: Imgfetch, tmp_path: Path, target: DockerRegistry
) -> None:
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("kept")}).write(layout)
    with docker_registry(tmp_path / "gone") as gone:
        reference = upload(gone.host, layout, image.descriptor, "test/gone", "1")
        imgfetch("lock", reference).succeeded()
        imgfetch("sync").succeeded()
    said = imgfetch("sync", "--to", f"{target.host}/base").succeeded()
    assert said.lines == [f"+ {there(reference, target)} {image.digest}"]


def test_one_of_several_platforms_stands_for_the_index_where_that_is_refused(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    """docker-registry takes an index only with all that it lists."""
    imgfetch("lock", published.multi).succeeded()
    here = published.indexes[published.multi].images[0]
    said = imgfetch("sync", "--to", f"{target.host}/base").succeeded()
    assert said.lines == [f"+ {there(published.multi, target)} {here.digest}"]
    assert imgfetch("sync", "--to", f"{target.host}/base").succeeded().lines == []


def test_an_index_that_is_refused_with_several_platforms_is_an_error(
    imgfetch: Imgfetch, tmp_path: Path, published: Published, target: DockerRegistry
) -> None:

    platforms = (HOST, FOREIGN, "linux/riscv64")
    layout = tmp_path / "layout"
    builder = ImageBuilder().layer({"a": File("three")})
    index = write_index(layout, dict.fromkeys(platforms, builder), "three")
    host = published.busybox.partition("/")[0]
    reference = upload(host, layout, index.descriptor, "test/three", "1")
    imgfetch("lock", "--platform", HOST, "--platform", FOREIGN, reference).succeeded()
    failed = imgfetch("sync", "--to", target.host).exited(6)
    assert f"imgfetch lock --all-platforms {reference}" in failed.errors


def test_to_a_layout_that_other_tools_read(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    layout = tmp_path / "carried"
    references = (published.layered, published.multi)
    imgfetch("lock", "--all-platforms", *references).succeeded()
    arguments = ("sync", "--to", f"oci:{layout}")
    dry = imgfetch(*arguments, "--dry-run").succeeded()
    assert not layout.exists()
    said = imgfetch(*arguments).succeeded()
    assert said.stdout == dry.stdout
    assert len(said.lines) == 2
    for reference, top in (
        (published.layered, published.images[published.layered]),
        (published.multi, published.indexes[published.multi]),
    ):
        raw = skopeo("inspect", "--raw", f"oci:{layout}:{reference}")
        assert raw == (published.layout / "blobs/sha256" / top.digest.encoded).read_bytes()
        copied = tmp_path / "copied" / top.digest.encoded
        copied.mkdir(parents=True)
        skopeo("copy", "--all", f"oci:{layout}:{reference}", f"dir:{copied}")
    before = snapshot_tree(layout)
    assert imgfetch(*arguments).succeeded().lines == []
    assert snapshot_tree(layout) == before


def test_referrers_go_along_on_request(
    imgfetch: Imgfetch, tmp_path: Path, registry: DockerRegistry, target: DockerRegistry
) -> None:
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("to be signed")}).write(layout)
    reference = upload(registry.host, layout, image.descriptor, "test/to-be-signed", "1")
    empty = add_blob(layout, b"{}", mediatype.OCI_EMPTY)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": "application/vnd.test.signature",
        "config": empty.to_json(),
        "layers": [empty.to_json()],
        "subject": image.descriptor.to_json(),
    }
    signature = add_document(layout, document, mediatype.OCI_MANIFEST)
    pinned = f"{reference.rpartition(':')[0]}@{signature.digest}"
    imgfetch("copy", f"oci:{_named(layout, signature.digest)}", pinned).succeeded()
    imgfetch("lock", reference).succeeded()
    imgfetch("sync", "--to", target.host, "--referrers").succeeded()
    shown = imgfetch("referrers", there(reference, target, "")).succeeded()
    assert str(signature.digest) in shown.lines[1]
    before = writes(target)
    for more in ([], ["--dry-run"]):
        assert imgfetch("sync", "--to", target.host, "--referrers", *more).succeeded().lines == []
    assert writes(target) == before


def _named(layout: Path, digest: object) -> str:
    raw = (layout / "blobs" / str(digest).replace(":", "/")).read_bytes()
    index = {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": mediatype.OCI_MANIFEST, "digest": str(digest), "size": len(raw)}
        ],
    }
    (layout / "index.json").write_text(json.dumps(index))
    return str(layout)


def test_places_that_are_none(imgfetch: Imgfetch, published: Published) -> None:
    imgfetch("lock", published.busybox).succeeded()
    imgfetch("sync", "--to", "somewhere").exited(3)
    imgfetch("sync", "--to", "dir:somewhere").exited(3)
    imgfetch("sync", "--to", "registry.test/UPPER").exited(3)
    imgfetch("sync", "--to", "oci:layout:name").exited(2)
    imgfetch("sync", "--to", "oci:layout", "--referrers").exited(2)
    imgfetch("sync", "--to", "registry.test", "--prune").exited(2)
    imgfetch("sync", "--referrers").exited(2)
    imgfetch("--offline", "sync", "--to", "registry.test").exited(2)
