"""Subordinate ids, out of files as administrators write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.fs.idmap import IdMapping, IdRange
from imgfetch.snapshot.subids import Subids, granted, kept, mapping

FILE = """\
# no comments in this format, but people write them
other:100000:65536
me:200000:1000
1000:300000:10

me:nonsense:10
me:400000:0
me:500000
me:600000:5:extra
"""


def test_ranges_are_found_by_name_and_by_number(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text(FILE)
    assert granted(file, ("me", "1000")) == (Subids(200000, 1000), Subids(300000, 10))
    assert granted(file, ("1000",)) == (Subids(300000, 10),)
    assert granted(file, ("nobody",)) == ()


def test_bytes_that_are_no_text_are_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_bytes(b"\xff\xfe:1:2\nme:7:8\n")
    assert granted(file, ("me",)) == (Subids(7, 8),)


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert granted(tmp_path / "missing", ("me",)) == ()


def test_a_user_is_root_and_ranges_follow_without_a_gap() -> None:
    made = mapping(1000, 100, (Subids(5000, 10), Subids(9000, 5)), (Subids(7000, 3),))
    assert made == IdMapping(
        (IdRange(0, 1000, 1), IdRange(1, 5000, 10), IdRange(11, 9000, 5)),
        (IdRange(0, 100, 1), IdRange(1, 7000, 3)),
    )


@pytest.mark.parametrize(
    ("own", "ranges", "expected"),
    [
        (3, [(100, 10)], [(0, 100, 3), (3, 3, 1), (4, 103, 7)]),
        (3, [(100, 3)], [(0, 100, 3), (3, 3, 1)]),
        (3, [(100, 2), (200, 4)], [(0, 100, 2), (2, 200, 1), (3, 3, 1), (4, 201, 3)]),
        (3, [(100, 3), (200, 2)], [(0, 100, 3), (3, 3, 1), (4, 200, 2)]),
        (5000, [(100, 10)], [(0, 100, 10), (5000, 5000, 1)]),
    ],
)
def test_a_user_stays_who_it_is_and_nobody_shares_an_id(
    own: int, ranges: list[tuple[int, int]], expected: list[tuple[int, int, int]]
) -> None:
    given = tuple(Subids(*one) for one in ranges)
    lines = tuple(IdRange(*one) for one in expected)
    assert kept(own, own, given, given) == IdMapping(lines, lines)
    assert sum(line.size for line in lines) == sum(one.size for one in given) + 1
