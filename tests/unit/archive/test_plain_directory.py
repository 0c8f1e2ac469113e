import json
import os
from pathlib import Path

import pytest

from imgfetch.archive import open_source
from imgfetch.errors import (
    ContentError,
    DocumentError,
    NotInStoreError,
    UnsupportedContentError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.transport import PathName
from tests.support import documents


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "version").write_text("Directory Transport Version: 1.1\n")
    (tmp_path / "manifest.json").write_bytes(documents.encode(documents.manifest()))
    return tmp_path


def resolve(directory: Path) -> Descriptor:
    return open_source(PathName("dir", str(directory))).resolve().descriptor


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_manifest_is_what_is_there(directory: Path, version: str) -> None:
    (directory / "version").write_text(f"Directory Transport Version: {version}\n")
    raw = (directory / "manifest.json").read_bytes()
    descriptor = resolve(directory)
    assert descriptor == Descriptor.of(raw, mediatype.OCI_MANIFEST)
    assert descriptor.media_type == mediatype.OCI_MANIFEST


def test_a_directory_from_before_there_were_versions_is_read(directory: Path) -> None:
    (directory / "version").unlink()
    resolve(directory)


def test_another_version_is_refused(directory: Path) -> None:
    """R110."""
    (directory / "version").write_text("Directory Transport Version: 2.0\n")
    with pytest.raises(UnsupportedContentError, match="another version"):
        resolve(directory)


def test_what_is_no_image_is_told(directory: Path) -> None:
    (directory / "manifest.json").unlink()
    with pytest.raises(NotInStoreError, match=r"no manifest\.json"):
        resolve(directory)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"[" * 10_000])
def test_a_malformed_manifest_is_an_error(directory: Path, raw: bytes) -> None:
    """S037, S045."""
    (directory / "manifest.json").write_bytes(raw)
    with pytest.raises(DocumentError):
        resolve(directory)


@pytest.mark.parametrize("name", ["manifest.json", "version"])
def test_documents_have_limits(directory: Path, name: str) -> None:
    """S124."""
    os.truncate(directory / name, 1 << 30)
    with pytest.raises(ContentError, match="too large"):
        resolve(directory)


@pytest.mark.parametrize("name", ["manifest.json", "version"])
def test_links_are_not_followed(directory: Path, name: str) -> None:
    """S120."""
    (directory / name).rename(directory / "aside")
    (directory / name).symlink_to("aside")
    with pytest.raises(ContentError, match="not a plain file"):
        resolve(directory)


def test_blobs_have_their_digests_names(directory: Path) -> None:
    source = open_source(PathName("dir", str(directory)))
    names = {
        Descriptor("", Digest.of(b"1"), 1): Digest.of(b"1").encoded,
        Descriptor("", Digest.of(b"2", "sha512"), 1): f"sha512-{Digest.of(b'2', 'sha512').encoded}",
        Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"3"), 1): (
            f"{Digest.of(b'3').encoded}.manifest.json"
        ),
    }
    for number, (descriptor, name) in enumerate(names.items()):
        (directory / name).write_text(f"{number}")
        assert b"".join(source.fetch(descriptor).chunks(0)) == b"%d" % number


def test_an_index_is_told_from_a_manifest(directory: Path) -> None:
    document = documents.index()
    del document["mediaType"]
    (directory / "manifest.json").write_text(json.dumps(document))
    assert resolve(directory).media_type == mediatype.OCI_INDEX
