"""A layer's stream: read to its true end, compared with the diffID, within limits."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import threading

import pytest
import zstandard

from imgfetch.errors import (
    DiffIDMismatchError,
    LayerError,
    LayerLimitError,
    MalformedLayerError,
    NoSpaceError,
)
from imgfetch.layer.options import ApplyOptions, Limits
from tests.support.layers import (
    END,
    Sandbox,
    apply_layer,
    directory,
    file,
    hardlink,
    header,
    layer,
    pax,
)

STREAM = layer(directory("d"), file("d/a", b"content" * 100), file("b"))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> object:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "readahead"] == []


@pytest.fixture(params=[True, False], ids=["ahead", "inline"])
def options(request: pytest.FixtureRequest) -> ApplyOptions:
    return ApplyOptions(read_ahead=request.param)


@pytest.mark.parametrize(
    "blob",
    [
        STREAM,
        gzip.compress(STREAM),
        gzip.compress(STREAM) + bytes(1000),
        gzip.compress(STREAM[:700]) + gzip.compress(b"") + gzip.compress(STREAM[700:]),
        zstandard.compress(STREAM),
        zstandard.compress(STREAM[:700]) + zstandard.compress(STREAM[700:]),
        lzma.compress(STREAM),
        bz2.compress(STREAM),
    ],
    ids=["none", "gzip", "padded", "members", "zstd", "frames", "xz", "bzip2"],
)
def test_r056_r061_compression_is_what_the_bytes_say(
    sandbox: Sandbox, blob: bytes, options: ApplyOptions
) -> None:
    (stats,) = sandbox.apply(STREAM, blob=blob, options=options)
    assert sandbox.tree() == {"b": "", "d": "dir", "d/a": "content" * 100}
    assert (stats.entries, stats.size) == (3, len(STREAM))


@pytest.mark.parametrize("stream", [b"", END, bytes(10_240)], ids=["nothing", "end", "tar"])
def test_r057_empty_layers_are_layers(sandbox: Sandbox, stream: bytes) -> None:
    for blob in (stream, gzip.compress(stream)):
        (stats,) = sandbox.apply(stream, blob=blob)
        assert stats.entries == 0
    assert sandbox.tree() == {}


def test_s044_another_stream_than_promised_is_refused(
    sandbox: Sandbox, options: ApplyOptions
) -> None:
    with pytest.raises(DiffIDMismatchError) as caught:
        apply_layer(sandbox.root, STREAM, diff_id="0" * 64, options=options)
    assert caught.value.actual == f"sha256:{hashlib.sha256(STREAM).hexdigest()}"


def test_s044_r060_data_after_the_archive_counts_for_the_digest(sandbox: Sandbox) -> None:
    stream = STREAM + b"more" * 300_000
    sandbox.apply(stream, blob=gzip.compress(stream))
    digest = hashlib.sha256(STREAM).hexdigest()
    with pytest.raises(DiffIDMismatchError):
        apply_layer(sandbox.root, stream, diff_id=digest)


def test_s096_a_second_gzip_member_is_part_of_the_layer(sandbox: Sandbox) -> None:
    first, second = file("a", b"1"), layer(file("b", b"2"))
    sandbox.apply(first + second, blob=gzip.compress(first) + gzip.compress(second))
    assert sandbox.tree() == {"a": "1", "b": "2"}


def test_s097_a_wrong_checksum_of_gzip_is_an_error(sandbox: Sandbox) -> None:
    blob = bytearray(gzip.compress(STREAM))
    blob[-6] ^= 1
    with pytest.raises(MalformedLayerError, match="gzip stream is damaged"):
        sandbox.apply(STREAM, blob=bytes(blob))


def test_s095_errors_name_the_layer_and_the_place(sandbox: Sandbox, options: ApplyOptions) -> None:
    stream = file("first", b"x") + header(b"second", checksum=1)
    short = hashlib.sha256(stream).hexdigest()[:12]
    with pytest.raises(MalformedLayerError, match=f"^layer {short}, at 'first': .*checksum"):
        sandbox.apply(stream, options=options)


def test_s095_a_layer_cut_off_in_a_file_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(MalformedLayerError, match=r"'d/a': .*ends inside an entry"):
        sandbox.apply(STREAM[:1400])


def test_s090_a_layer_that_expands_too_much_is_refused(
    sandbox: Sandbox, options: ApplyOptions
) -> None:
    limits = Limits(ratio=100, ratio_from=1 << 20)
    stream = layer(file("zeros", bytes(4 << 20)))
    with pytest.raises(LayerLimitError, match="decompression bomb"):
        sandbox.apply(
            stream,
            blob=zstandard.compress(stream),
            options=ApplyOptions(limits=limits, read_ahead=options.read_ahead),
        )


@pytest.mark.parametrize(
    ("limits", "stream"),
    [
        (Limits(entries=2), layer(file("a"), file("b"), file("c"))),
        (Limits(directories=3), layer(file("a/b/c/x"))),
        (Limits(size=2000, ratio_from=0), layer(file("a", bytes(4000)))),
        (Limits(size=2000), layer(file("a", bytes(1500)), file("b", bytes(1500)))),
        (Limits(size=2000), layer(file("a", size=1 << 32))),
    ],
    ids=["entries", "directories", "stream", "files", "size"],
)
def test_s090_limits_are_kept(sandbox: Sandbox, limits: Limits, stream: bytes) -> None:
    with pytest.raises(LayerLimitError):
        sandbox.apply(stream, options=ApplyOptions(limits=limits))


def test_s092_holes_count_with_their_size(sandbox: Sandbox) -> None:
    records = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.realsize": b"2000000000000",
    }
    with pytest.raises(LayerLimitError, match="too large"):
        sandbox.apply(layer(pax(records), file("a", b"0\n".ljust(512, b"\0"))))


def test_s092_holes_stay_holes(sandbox: Sandbox) -> None:
    records = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": b"sparse",
        b"GNU.sparse.realsize": b"100000000",
    }
    content = b"2\n50000000\n4\n60000000\n3\n".ljust(512, b"\0") + b"DATAEND"
    sandbox.apply(layer(pax(records), file("GNUSparseFile.0/sparse", content)))
    path = sandbox.root / "sparse"
    assert path.stat().st_size == 100_000_000
    assert path.stat().st_blocks * 512 < 1_000_000
    with path.open("rb") as sparse:
        assert os.pread(sparse.fileno(), 6, 49_999_999) == b"\0DATA\0"
        assert os.pread(sparse.fileno(), 5, 59_999_999) == b"\0END\0"


def test_r090_a_full_disk_is_said_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(NoSpaceError, match="layer"):
        sandbox.apply(STREAM)


def test_content_is_written_whole_where_writes_are_partial(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:100]))
    sandbox.apply(STREAM)
    assert sandbox.tree()["d/a"] == "content" * 100


def test_other_refusals_of_the_system_name_the_entry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(LayerError, match="'b' can't be made"):
        sandbox.apply(layer(file("b")))


def test_r120_an_owner_that_can_not_be_set_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(LayerError, match="'a' belongs to 1516583083:100") as caught:
        sandbox.apply(layer(pax({b"uid": b"1516583083"}), file("a", gid=100)))
    assert "/etc/subuid" in (caught.value.hint or "")


def test_a_file_that_can_not_be_linked_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(LayerError, match="'h' can't be made"):
        sandbox.apply(layer(file("a"), hardlink("h", "a")))


def test_r123_file_systems_without_attributes_are_fine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "listxattr", refuse)
    monkeypatch.setattr(os, "setxattr", refuse)
    records = pax({b"SCHILY.xattr.user.a": b"1"})
    stats = apply_layer(sandbox.root, layer(records, directory("d"), records, directory(".")))
    assert stats.dropped_xattrs == ("user.a",)


def test_r170_a_full_disk_is_said_so_without_proc(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    monkeypatch.setattr(os, "readlink", refuse)
    with pytest.raises(NoSpaceError):
        apply_layer(sandbox.root, layer(file("a", b"x")))
