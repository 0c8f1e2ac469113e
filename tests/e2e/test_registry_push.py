"""push, copy, tags and referrers, between real registries and all transports."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from tests.e2e.published import FOREIGN, Published
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.images import File, ImageBuilder, add_blob, add_document, name_entry
from tests.support.tools import require_tool
from tests.support.upload import upload

_REQUEST = re.compile(r'"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1" (\d+)')


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DockerRegistry]:
    """An empty registry."""
    with docker_registry(tmp_path / "target") as running:
        yield running


def requests(registry: DockerRegistry, method: str, path: str = "") -> list[str]:
    """What a registry was asked, as ``path status``."""
    found = _REQUEST.findall(registry.log.read_text("utf-8"))
    return [
        f"{target} {status}" for verb, target, status in found if verb == method and path in target
    ]


def manifest(reference: str) -> bytes:
    """A manifest as another tool gets it."""
    return subprocess.run(
        [require_tool("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"],
        check=True,
        capture_output=True,
    ).stdout


def blob(published: Published, descriptor: Descriptor) -> bytes:
    return (published.layout / "blobs/sha256" / descriptor.digest.encoded).read_bytes()


@pytest.mark.parametrize("name", ["layered", "docker"])
def test_a_pushed_image_is_the_same_bytes(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry, name: str
) -> None:
    """R055."""
    reference = getattr(published, name)
    image = published.images[reference]
    imgfetch("pull", reference).succeeded()
    pushed = imgfetch("push", reference, f"{target.host}/a/b:1").succeeded()
    assert pushed.lines == [f"{target.host}/a/b@{image.digest}"]
    assert manifest(f"{target.host}/a/b:1") == blob(published, image.descriptor)
    again = Imgfetch(imgfetch.store.with_name("other"), imgfetch.home)
    assert again("pull", f"{target.host}/a/b:1").succeeded().lines == pushed.lines


def test_what_is_there_is_not_sent_again(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    imgfetch("pull", published.layered).succeeded()
    imgfetch("push", published.layered, f"{target.host}/a/b:1").succeeded()
    uploads = len(requests(target, "POST"))
    assert uploads == len(published.images[published.layered].layers) + 1
    imgfetch("push", published.layered, f"{target.host}/a/b:2").succeeded()
    assert len(requests(target, "POST")) == uploads
    assert sorted(imgfetch("tags", f"{target.host}/a/b").succeeded().lines) == ["1", "2"]


def test_blobs_are_mounted_from_other_repositories(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    """Pushed from the store, which knows one, and copied from the other one itself."""
    first, second, third = (f"{target.host}/{name}/app:1" for name in "abc")
    imgfetch("pull", published.layered).succeeded()
    imgfetch("push", published.layered, first).succeeded()
    sent = len(requests(target, "PUT", "/blobs/uploads/"))
    imgfetch("pull", first).succeeded()
    imgfetch("push", first, second).succeeded()
    imgfetch("copy", first, third).succeeded()
    assert len(requests(target, "PUT", "/blobs/uploads/")) == sent
    mounts = requests(target, "POST", "?mount=")
    assert len(mounts) == 2 * sent
    assert all(mount.endswith(" 201") for mount in mounts)


def test_copy_takes_nothing_to_the_disk(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    copied = imgfetch("copy", published.layered, f"{target.host}/a/b:1").succeeded()
    assert copied.lines == [f"{target.host}/a/b@{published.images[published.layered].digest}"]
    assert not imgfetch.store.exists()
    assert manifest(f"{target.host}/a/b:1")


def test_copy_reads_no_blob_that_is_at_the_destination(
    imgfetch: Imgfetch, published: Published, registry: DockerRegistry, target: DockerRegistry
) -> None:
    imgfetch("copy", published.layered, f"{target.host}/a/b:1").succeeded()
    layers = [str(layer.digest) for layer in published.images[published.layered].layers]
    before = [requests(registry, "GET", layer) for layer in layers]
    imgfetch("copy", published.layered, f"{target.host}/a/b:2").succeeded()
    assert [requests(registry, "GET", layer) for layer in layers] == before


def test_one_platform_or_all(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    """R050: the attestations go with all platforms, and their digests stay."""
    index = published.indexes[published.multi]
    here, there = index.images
    for verb in ("copy", "push"):
        if verb == "push":
            imgfetch("pull", "--all-platforms", published.multi).succeeded()
        name = f"{target.host}/{verb}/one"
        one = imgfetch(verb, published.multi, f"{name}:1").succeeded()
        assert one.lines == [f"{name}@{here.digest}"]
        other = imgfetch(verb, "--platform", FOREIGN, published.multi, f"{name}:2").succeeded()
        assert other.lines == [f"{name}@{there.digest}"]
    name = f"{target.host}/copy/all"
    every = imgfetch("copy", "--all-platforms", published.multi, f"{name}:1").succeeded()
    assert every.lines == [f"{name}@{index.digest}"]
    assert manifest(f"{name}:1") == blob(published, index.descriptor)
    assert imgfetch("resolve", "--platform", FOREIGN, f"{name}:1").succeeded().lines == [
        f"{name}@{there.digest}"
    ]


def test_push_of_all_platforms_needs_all_of_them(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    imgfetch("pull", published.multi).succeeded()
    failed = imgfetch("push", "--all-platforms", published.multi, f"{target.host}/a/b:1").exited(11)
    assert "imgfetch pull --all-platforms" in failed.errors
    imgfetch("push", published.busybox, f"{target.host}/a/b:1").exited(11)
    assert requests(target, "PUT") == []


@pytest.mark.parametrize("verb", ["push", "copy"])
def test_every_transport_can_be_sent(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry, verb: str
) -> None:
    name = f"{target.host}/a/{verb}"
    digest = published.images[published.layered].digest
    imgfetch("pull", published.layered).succeeded()
    archive = imgfetch.home / "x.tar"
    imgfetch("save", "--as", "oci-archive", "-o", archive, published.layered).succeeded()
    for number, source in enumerate(
        [f"oci:{published.layout}:layered", f"oci-archive:{archive}", f"store:{published.layered}"]
    ):
        sent = imgfetch(verb, source, f"{name}:{number}").succeeded()
        assert sent.lines == [f"{name}@{digest}"]


def test_a_destination_by_digest_has_to_be_that_one(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    digest = str(published.images[published.layered].digest)
    name = f"{target.host}/a/b@{digest}"
    imgfetch("copy", published.busybox, name).exited(2)
    assert imgfetch("copy", published.layered, name).succeeded().lines == [name]
    assert imgfetch("resolve", name).succeeded().lines == [name]


def test_destinations_that_are_no_registry(imgfetch: Imgfetch, published: Published) -> None:
    for destination in ("oci:there", "store:x", "dir:y"):
        imgfetch("copy", published.busybox, destination).exited(3)
    imgfetch("--offline", "copy", published.busybox, "registry.invalid/x").exited(2)


def test_a_damaged_layer_does_not_arrive(
    imgfetch: Imgfetch, published: Published, target: DockerRegistry
) -> None:
    """S121: neither from the store nor from another registry."""
    imgfetch("pull", published.layered).succeeded()
    layer = published.images[published.layered].layers[0]
    path = imgfetch.store / "blobs/sha256" / layer.digest.encoded
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)
    failed = imgfetch("push", published.layered, f"{target.host}/a/b:1").exited(11)
    assert str(layer.digest) in failed.errors
    layout = imgfetch.home / "layout"
    subprocess.run(["cp", "-r", str(published.layout), str(layout)], check=True)
    (layout / "blobs/sha256" / layer.digest.encoded).write_bytes(raw)
    imgfetch("copy", f"oci:{layout}:layered", f"{target.host}/a/b:1").exited(4)
    uploaded = target.data_dir / "docker/registry/v2/blobs/sha256"
    assert not (uploaded / layer.digest.encoded[:2] / layer.digest.encoded).exists()
    imgfetch("resolve", f"{target.host}/a/b:1").exited(7)


def test_what_refers_to_an_image_goes_with_it(
    imgfetch: Imgfetch, tmp_path: Path, registry: DockerRegistry, target: DockerRegistry
) -> None:
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("signed")}).write(layout, "signed")
    reference = upload(registry.host, layout, image.descriptor, "test/signed", "1")
    bill = _artifact(layout, image.descriptor, "application/vnd.test.sbom")
    signature = _artifact(layout, bill, "application/vnd.test.signature")
    for artifact in (bill, signature):
        name_entry(layout, artifact, "artifact")
        pinned = f"{registry.host}/test/signed@{artifact.digest}"
        imgfetch("copy", f"oci:{layout}:{artifact.digest}", pinned).succeeded()
    listed = imgfetch("referrers", "--format", "json", reference).succeeded()
    assert [entry["digest"] for entry in json.loads(listed.stdout)] == [str(bill.digest)]
    assert "vnd.test.sbom" in imgfetch("referrers", reference).succeeded().lines[1]

    name = f"{target.host}/a/b"
    imgfetch("copy", reference, f"{name}:without").succeeded()
    assert len(imgfetch("referrers", f"{name}:without").succeeded().lines) == 1
    imgfetch("copy", "--referrers", reference, f"{name}:with").succeeded()
    for subject, referrer in ((image.descriptor, bill), (bill, signature)):
        shown = imgfetch("referrers", f"{name}@{subject.digest}").succeeded().lines
        assert str(referrer.digest) in shown[1]
    other = ["referrers", "--type", "application/other", f"{name}:with"]
    assert len(imgfetch(*other).succeeded().lines) == 1
    imgfetch("copy", "--referrers", f"oci:{layout}:signed", f"{name}:2").exited(2)


def _artifact(layout: Path, subject: Descriptor, kind: str) -> Descriptor:
    empty = add_blob(layout, b"{}", mediatype.OCI_EMPTY)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": kind,
        "config": empty.to_json(),
        "layers": [empty.to_json()],
        "subject": subject.to_json(),
    }
    return add_document(layout, document, mediatype.OCI_MANIFEST)


def test_r073_layers_that_only_their_maker_has_are_left_out(
    imgfetch: Imgfetch, tmp_path: Path
) -> None:
    """Sent where they are there, passed over with a warning where they are not."""
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("ours")}).layer({"b": File("theirs")}).write(layout)
    theirs = replace(
        image.layers[1],
        media_type="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    )
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": image.config.to_json(),
        "layers": [
            image.layers[0].to_json(),
            {**theirs.to_json(), "urls": ["https://maker.invalid/layer"]},
        ],
    }
    name_entry(layout, add_document(layout, document, mediatype.OCI_MANIFEST), "foreign")
    # docker-registry takes such layers with addresses that it is told to like.
    allowed = {"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW": "[^https://]"}
    with docker_registry(tmp_path / "lax", env=allowed) as lax:
        with_it, without = f"{lax.host}/a/with:1", f"{lax.host}/a/without:1"
        imgfetch("copy", f"oci:{layout}:foreign", with_it).succeeded()
        imgfetch("pull", with_it).succeeded()
        (layout / "blobs/sha256" / theirs.digest.encoded).unlink()
        passed = imgfetch("copy", f"oci:{layout}:foreign", without).succeeded()
        assert f"{theirs.digest} may be had from its maker only" in passed.errors
        imgfetch("pull", without).succeeded()  # from the store, which has it by now
        other = Imgfetch(tmp_path / "other", imgfetch.home)
        assert str(theirs.digest) in other("pull", without).exited(7).errors
