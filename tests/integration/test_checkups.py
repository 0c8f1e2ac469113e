"""What ``doctor`` tries with the kernel, as ordinary users."""

from __future__ import annotations

from pathlib import Path

from imgfetch.cas.checkup import store
from imgfetch.cas.directory import LayoutStore
from imgfetch.findings import Finding
from imgfetch.snapshot.checkup import namespaces, overlay, user_namespaces
from tests.support.forked import forked
from tests.support.users import PATH, User


def test_namespaces_are_tried(any_user: User) -> None:
    """R120, R121."""
    found = forked(lambda: namespaces(PATH), any_user)
    if any_user.has_subids:
        assert found == Finding("namespaces", "ok", "containers have 65537 user ids")
    else:
        assert found.state == "warning"
        assert "only one user id" in found.found


def test_a_warning_of_runs_is_one_here(subid_user: User) -> None:
    """P18, R165."""
    found = forked(lambda: namespaces("/nowhere"), subid_user)
    assert found.state == "warning"
    assert "newgidmap is not installed" in found.found


def test_user_namespaces_are_tried(plain_user: User) -> None:
    found = forked(user_namespaces, plain_user)
    assert found.state == "ok"
    assert "user.max_user_namespaces=" in found.found


def test_overlays_are_tried_where_the_store_is(any_user: User) -> None:
    scratch = any_user.directory()
    found = forked(lambda: overlay(str(scratch), PATH), any_user)
    assert found.state == "ok", found
    assert found.found.startswith("works on ")
    assert str(scratch) not in Path("/proc/self/mountinfo").read_text()


def test_one_that_cannot_be_written_blocks(plain_user: User) -> None:
    """R105."""
    directory = plain_user.directory()

    def work() -> tuple[bool, str | None]:
        LayoutStore(directory / "store").root.create()
        (directory / "store").chmod(0o500)
        (found,) = store(str(directory / "store"))
        directory.chmod(0o500)
        (missing,) = store(str(directory / "other"))
        assert missing.remedy == found.remedy
        return found.blocks and missing.blocks, found.remedy

    blocks, remedy = forked(work, plain_user)
    assert blocks
    assert "--store-ro" in (remedy or "")
