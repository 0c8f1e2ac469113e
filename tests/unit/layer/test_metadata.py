"""Owners, modes, attributes, times: as the entries say, whatever the process is set to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imgfetch.errors import LayerError
from imgfetch.fs.idmap import IdRange
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import MappedOwners, SingleOwner
from tests.support.layers import (
    Sandbox,
    directory,
    fifo,
    file,
    hardlink,
    header,
    layer,
    pax,
    symlink,
)

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(sandbox: Sandbox, name: str) -> int:
    return stat.S_IMODE((sandbox.root / name).lstat().st_mode)


def test_r069_setuid_survives_a_foreign_owner(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("su", b"x" * 10, mode=0o4755, uid=7, gid=8)))
    status = (sandbox.root / "su").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o4755, 7, 8)


def test_r069_capabilities_survive_a_foreign_owner(sandbox: Sandbox) -> None:
    records = pax({b"SCHILY.xattr.security.capability": CAPABILITY})
    sandbox.apply(layer(records, file("ping", b"x", mode=0o755, uid=7)))
    assert os.getxattr(sandbox.root / "ping", "security.capability") == CAPABILITY


@pytest.mark.parametrize("mask", [0o077, 0o000, 0o027])
def test_r070_modes_do_not_depend_on_the_umask(sandbox: Sandbox, mask: int) -> None:
    modes = [0o644, 0o666, 0o777, 0o600, 0o000, 0o4777, 0o2755, 0o1777]
    members = [file(f"f{mode:o}-{copy}", mode=mode) for copy in range(2) for mode in modes]
    members += [directory(f"d{mode:o}-{copy}", mode=mode) for copy in range(2) for mode in modes]
    members += [fifo(f"p{mode:o}", mode=mode) for mode in modes]
    with umask(mask):
        sandbox.apply(layer(*members, file("implicit/x")))
    for mode in modes:
        names = [f"f{mode:o}-0", f"f{mode:o}-1", f"d{mode:o}-0", f"d{mode:o}-1", f"p{mode:o}"]
        assert {name: mode_of(sandbox, name) for name in names} == dict.fromkeys(names, mode)
    assert mode_of(sandbox, "implicit") == 0o755


def test_r070_groups_do_not_depend_on_setgid_directories(sandbox: Sandbox) -> None:
    below = layer(directory("d", mode=0o2775, gid=50))
    upper = layer(
        file("a", b"x"), file("d/f"), directory("d/sub"), file("d/sub/f"), symlink("d/l", "f")
    )
    sandbox.apply(below, upper)
    groups = {
        name: (sandbox.root / name).lstat().st_gid for name in ("d/f", "d/sub", "d/sub/f", "d/l")
    }
    assert set(groups.values()) == {0}
    assert mode_of(sandbox, "d/sub") == 0o755
    assert mode_of(sandbox, "d") == 0o2775


def test_s101_modes_are_permissions_and_nothing_more(sandbox: Sandbox) -> None:
    sandbox.apply(layer(header(b"f", mode=0o177777)))
    assert mode_of(sandbox, "f") == 0o7777
    assert stat.S_ISREG((sandbox.root / "f").stat().st_mode)


def test_times_have_nanoseconds_and_may_be_before_1970(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(
            pax({b"mtime": b"1600000000.123456789"}),
            file("a"),
            pax({b"mtime": b"-1.5"}),
            directory("d"),
            pax({b"mtime": b"99999999999999999999"}),
            symlink("l", "a"),
        )
    )
    times = {name: (sandbox.root / name).lstat().st_mtime_ns for name in ("a", "d")}
    assert times == {"a": 1_600_000_000_123_456_789, "d": -1_500_000_000}


def test_s102_a_directory_named_twice_has_the_last_mode(sandbox: Sandbox) -> None:
    modes = [0o755, 0o700, 0o711, 0o500]
    again = [directory(f"d{mode:o}", mode=mode) for mode in modes]
    first = [directory(f"d{mode:o}", mode=other) for mode in modes for other in modes]
    # Those made last are finished first, so that there is something to be learned wrongly.
    members = [*first, *again, *(directory(f"e{mode:o}", mode=mode) for mode in modes)]
    sandbox.apply(layer(*members))
    assert [mode_of(sandbox, f"d{mode:o}") for mode in modes] == modes


def test_directories_get_their_times_last(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(
            directory("d", mtime=1), directory("d/e", mtime=2), file("d/e/f"), symlink("d/l", "x")
        )
    )
    assert (sandbox.root / "d").stat().st_mtime == 1
    assert (sandbox.root / "d/e").stat().st_mtime == 2


def test_directories_that_a_layer_does_not_name_keep_their_times(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(
            directory(".", mtime=4), directory("d", mtime=1), directory("e", mtime=2), file("e/x")
        ),
        layer(file("d/new"), file("e/.wh.x"), file("new")),
    )
    times = [(sandbox.root / name).stat().st_mtime for name in ("d", "e", ".")]
    assert times == [1, 2, 4]


def test_the_root_takes_its_entry_s_metadata(sandbox: Sandbox) -> None:
    sandbox.apply(layer(directory("./", mode=0o750, uid=1, gid=2, mtime=3), file("a")))
    status = sandbox.root.stat()
    assert stat.S_IMODE(status.st_mode) == 0o750
    assert (status.st_uid, status.st_gid, status.st_mtime) == (1, 2, 3)


def test_a_hard_link_s_metadata_is_its_target_s(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(file("a", mode=0o600, uid=3, mtime=4), hardlink("b", "a", mode=0o777, uid=9, mtime=1))
    )
    status = (sandbox.root / "a").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime) == (0o600, 3, 4)


def test_s089_only_harmless_attributes_are_set(sandbox: Sandbox) -> None:
    """P24: redirections of overlays among the others."""
    names = [
        b"user.fine",
        b"user.overlay.whiteout",
        b"user.overlay.opaque",
        b"user.overlay.redirect",
        b"trusted.overlay.redirect",
        b"user.rootlesscontainers",
        b"user.containers.override_stat",
        b"trusted.overlay.opaque",
        b"security.selinux",
        b"security.ima",
        b"system.nfs4_acl",
        b"system.posix_acl_access",
    ]
    records = pax({b"SCHILY.xattr." + name: b"y" for name in names})
    (stats,) = sandbox.apply(layer(records, file("f"), records, directory("d"), records, fifo("p")))
    assert os.listxattr(sandbox.root / "f") == ["user.fine"]
    assert os.listxattr(sandbox.root / "d") == ["user.fine"]
    assert set(stats.dropped_xattrs) == {name.decode() for name in names}


def test_attributes_of_files_and_directories_are_set(sandbox: Sandbox) -> None:
    records = {b"SCHILY.xattr.user.a": b"\0\xff=\n", b"LIBARCHIVE.xattr.user.b%20c": b"AAE"}
    (stats,) = sandbox.apply(layer(pax(records), file("f"), pax(records), directory("d")))
    for name in ("f", "d"):
        assert os.getxattr(sandbox.root / name, "user.a") == b"\0\xff=\n"
        assert os.getxattr(sandbox.root / name, "user.b c") == b"\0\x01"
    assert stats.dropped_xattrs == ()


def test_a_directory_loses_attributes_that_its_new_entry_does_not_have(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(pax({b"SCHILY.xattr.user.a": b"1", b"SCHILY.xattr.user.b": b"1"}), directory("d")),
        layer(pax({b"SCHILY.xattr.user.a": b"2"}), directory("d")),
    )
    assert os.listxattr(sandbox.root / "d") == ["user.a"]
    assert os.getxattr(sandbox.root / "d", "user.a") == b"2"


def test_r123_attributes_that_can_not_be_set_are_counted_or_refused(sandbox: Sandbox) -> None:
    stream = layer(pax({b"SCHILY.xattr.user.big": b"x" * 70_000}), file("f"))
    (stats,) = sandbox.apply(stream)
    assert stats.dropped_xattrs == ("user.big",)
    with pytest.raises(LayerError, match=r"user\.big can't be set"):
        sandbox.apply(stream, options=ApplyOptions(strict_xattrs=True))


def test_mapped_owners_are_shifted(sandbox: Sandbox) -> None:
    ranges = (IdRange(0, 1000, 1), IdRange(1, 100_000, 65_535))
    options = ApplyOptions(owners=MappedOwners(ranges, ranges))
    sandbox.apply(
        layer(file("a"), file("b", uid=1, gid=65_535), symlink("l", "a", uid=2), file("i/x")),
        options=options,
    )
    owners = [
        ((sandbox.root / name).lstat().st_uid, (sandbox.root / name).lstat().st_gid)
        for name in ("a", "b", "l", "i")
    ]
    assert owners == [(1000, 1000), (100_000, 165_534), (100_001, 1000), (1000, 1000)]


def test_an_owner_outside_the_map_is_an_error(sandbox: Sandbox) -> None:
    options = ApplyOptions(owners=MappedOwners((IdRange(0, 0, 10),), (IdRange(0, 0, 10),)))
    with pytest.raises(LayerError, match="user id 10 of the layer has no id here") as caught:
        sandbox.apply(layer(file("a", uid=10)), options=options)
    assert caught.value.expected == "0 to 9"


def test_r121_with_a_single_owner_nothing_is_given_away(sandbox: Sandbox) -> None:
    members = [file("a", uid=5), directory("d", gid=6), symlink("l", "a", uid=7), file("b")]
    (stats,) = sandbox.apply(layer(*members), options=ApplyOptions(owners=SingleOwner()))
    owners = {(sandbox.root / name).lstat().st_uid for name in ("a", "d", "l", "b")}
    assert owners == {os.geteuid()}
    assert stats.unmapped_owners == 3
