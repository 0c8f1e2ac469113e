"""extract: single paths out of an image, to a tar or to files."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest

from tests.support.cli import Imgfetch, imgfetch_for
from tests.support.images import Dir, File, Hardlink, ImageBuilder, Symlink, Whiteout
from tests.support.trees import paths
from tests.support.users import User


@pytest.fixture
def linked(tmp_path: Path) -> str:
    """An image whose /lib is a link, and with other links of all kinds."""
    ImageBuilder().layer(
        {
            "usr": Dir(),
            "usr/lib": Dir(mode=0o555),
            "usr/lib/libc.so.6": File("libc", mode=0o755),
            "usr/lib/libc.so": Symlink("libc.so.6"),
            "lib": Symlink("usr/lib"),
            "etc": Dir(),
            "etc/old": File("old"),
            "etc/passwd": File("below", uid=5, gid=6),
            "out": Symlink("/etc"),
            "loop": Symlink("loop"),
            "one": File("twice"),
            "two": Hardlink("one"),
        }
    ).layer({"etc/old": Whiteout(), "etc/passwd": File("above", uid=5, gid=6)}, "zstd").write(
        tmp_path / "linked", "x"
    )
    return f"oci:{tmp_path}/linked:x"


class TestExtract:
    def listed(self, imgfetch: Imgfetch, *arguments: str) -> dict[str, tarfile.TarInfo]:
        archive = imgfetch("extract", *arguments).succeeded().stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            return {member.name: member for member in members}

    def test_gives_what_was_asked_for_by_that_name(self, imgfetch: Imgfetch, linked: str) -> None:
        found = self.listed(imgfetch, linked, "/lib/libc.so.6", "etc", "two")
        assert set(found) == {"lib/libc.so.6", "etc", "etc/passwd", "two"}
        assert (found["etc/passwd"].size, found["etc/passwd"].uid) == (5, 5)
        assert found["lib/libc.so.6"].mode == 0o755
        assert found["two"].isfile()

    def test_a_link_is_a_link_unless_it_is_followed(self, imgfetch: Imgfetch, linked: str) -> None:
        assert self.listed(imgfetch, linked, "lib/libc.so")["lib/libc.so"].issym()
        assert self.listed(imgfetch, "-L", linked, "lib/libc.so")["lib/libc.so"].size == 4
        assert set(self.listed(imgfetch, "-L", linked, "out")) == {"out", "out/passwd"}

    def test_hard_links_stay_links_of_what_is_there(self, imgfetch: Imgfetch, linked: str) -> None:
        found = self.listed(imgfetch, linked, "two", "one")
        assert found["one"].isfile()
        assert (found["two"].islnk(), found["two"].linkname) == (True, "one")

    def test_the_whole_is_what_export_gives(self, imgfetch: Imgfetch, linked: str) -> None:
        whole = imgfetch("extract", linked, "/").succeeded().stdout
        assert whole == imgfetch("export", linked).succeeded().stdout

    def test_later_layers_win(self, imgfetch: Imgfetch, linked: str) -> None:
        result = imgfetch("extract", linked, "etc/old").exited(7)
        assert "etc/old" in result.errors

    @pytest.mark.parametrize(
        ("path", "status"),
        [("nothing", 7), ("etc/passwd/x", 7), ("../etc", 2), ("loop/x", 12), ("etc/..", 2)],
    )
    def test_what_is_not_there(
        self, imgfetch: Imgfetch, linked: str, path: str, status: int
    ) -> None:
        assert imgfetch("extract", linked, path).exited(status).stdout == b""

    def test_files_are_made_in_a_directory(
        self, imgfetch: Imgfetch, linked: str, tmp_path: Path
    ) -> None:
        target = tmp_path / "new"
        result = imgfetch("extract", linked, "lib/libc.so.6", "usr/lib", "etc/passwd", "-o", target)
        assert result.succeeded().stdout == b""
        assert paths(target) == {
            "lib",
            "lib/libc.so.6",
            "usr",
            "usr/lib",
            "usr/lib/libc.so",
            "usr/lib/libc.so.6",
            "etc",
            "etc/passwd",
        }
        assert (target / "etc/passwd").read_text() == "above"
        assert (target / "etc/passwd").stat().st_uid == 5
        assert stat.S_IMODE((target / "usr/lib").stat().st_mode) == 0o555

    def test_an_ordinary_user_owns_what_is_made(
        self, plain_user: User, imgfetch: Imgfetch, linked: str
    ) -> None:
        directory = plain_user.directory("extract")
        imgfetch("save", linked, "-o", directory / "a.tar").succeeded()
        (directory / "a.tar").chmod(0o644)
        theirs = imgfetch_for(plain_user)
        name = f"oci-archive:{directory}/a.tar"
        theirs("extract", name, "usr/lib", "etc", "-o", directory / "new").succeeded()
        assert (directory / "new/etc/passwd").stat().st_uid == plain_user.uid
        assert stat.S_IMODE((directory / "new/usr/lib").stat().st_mode) == 0o555

    def test_what_is_there_is_not_touched(
        self, imgfetch: Imgfetch, linked: str, tmp_path: Path
    ) -> None:
        (tmp_path / "new/etc").mkdir(parents=True)
        (tmp_path / "new/etc/passwd").write_text("mine")
        (tmp_path / "new/one").symlink_to("/nonexistent")
        for path in ("etc/passwd", "etc", "one"):
            imgfetch("extract", linked, "two", path, "-o", tmp_path / "new").exited(2)
        assert (tmp_path / "new/etc/passwd").read_text() == "mine"
        assert paths(tmp_path / "new") == {"etc", "etc/passwd", "one"}

    def test_nothing_is_put_behind_a_link(
        self, imgfetch: Imgfetch, linked: str, tmp_path: Path
    ) -> None:
        target, outside = tmp_path / "new", tmp_path / "outside"
        target.mkdir()
        outside.mkdir()
        (target / "usr").symlink_to(outside)
        imgfetch("extract", linked, "usr/lib/libc.so.6", "-o", target).exited(2)
        imgfetch("extract", linked, "lib", "lib/libc.so.6").exited(2)
        assert paths(outside) == set()
        assert paths(target) == {"usr"}
