"""Id maps as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

from imgfetch.fs.idmap import IdMapping, IdRange


def mapping(tmp_path: Path, uids: str, gids: str) -> IdMapping:
    (tmp_path / "self").mkdir(exist_ok=True)
    (tmp_path / "self/uid_map").write_text(uids)
    (tmp_path / "self/gid_map").write_text(gids)
    return IdMapping.current(tmp_path)


ALL = "         0          0 4294967295\n"
MANY = "         0       1000          1\n         1     100000      65536\n"
ONE = "         0       1000          1\n"


def test_lines_are_read(tmp_path: Path) -> None:
    assert mapping(tmp_path, MANY, ONE) == IdMapping(
        (IdRange(0, 1000, 1), IdRange(1, 100000, 65536)), (IdRange(0, 1000, 1),)
    )


def test_the_first_namespace_is_known_by_having_all_ids(tmp_path: Path) -> None:
    assert mapping(tmp_path, ALL, ALL).initial
    assert mapping(tmp_path, ALL, ALL).name == "root"
    assert not mapping(tmp_path, MANY, MANY).initial


def test_names_differ_where_files_would_mean_something_else(tmp_path: Path) -> None:
    made = [mapping(tmp_path, *texts) for texts in ((ONE, ONE), (MANY, MANY), (MANY, ONE))]
    names = {one.name for one in made}
    assert len(names) == 3
    assert all(len(name) == 16 for name in names)
    assert mapping(tmp_path, ONE, ONE).name == made[0].name
