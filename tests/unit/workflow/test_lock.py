"""What a lock file has after `lock`: what was locked stays, what was asked for comes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from imgfetch.errors import PolicyError
from imgfetch.oci import mediatype
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference
from imgfetch.workflow.lock import Wanted, changes, update
from imgfetch.workflow.lockfile import LockedImage, LockedPlatform, LockFile

A, B, C = (Reference.parse(f"registry.test/{name}:1") for name in "abc")
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@dataclass(slots=True)
class World:
    """What references stand for, and which were asked for."""

    generation: str = "old"
    asked: list[str] = field(default_factory=list)

    def resolve(self, reference: Reference, platforms: tuple[Platform, ...] | None) -> LockedImage:
        self.asked.append(str(reference))
        digest = reference.digest or Digest.of(f"{self.generation} {reference}".encode())
        platforms = (AMD64, ARM64) if platforms is None else platforms
        return LockedImage(
            reference,
            digest,
            mediatype.OCI_INDEX,
            tuple(
                LockedPlatform(one, Digest.of(f"{digest} {one}".encode()), 10)
                for one in sorted(platforms, key=str)
            ),
        )

    def update(self, current: LockFile, wanted: Wanted) -> LockFile:
        return update(current, wanted, AMD64, self.resolve)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def both(world: World) -> LockFile:
    """A lock file with two images, which have moved since."""
    lock = world.update(LockFile(), Wanted((A, B)))
    world.generation = "new"
    world.asked.clear()
    return lock


def kinds(before: LockFile, after: LockFile) -> list[tuple[str, str]]:
    return [(change.kind, change.reference.repository.path) for change in changes(before, after)]


def test_what_is_locked_is_not_even_asked_for(world: World, both: LockFile) -> None:
    assert world.update(both, Wanted((A, B))) == both
    assert world.update(both, Wanted(())) == both
    assert world.asked == []


def test_what_is_new_is_added(world: World, both: LockFile) -> None:
    after = world.update(both, Wanted((C,)))
    assert kinds(both, after) == [("added", "c")]
    assert world.asked == [str(C)]


def test_a_complete_list_lets_others_leave(world: World, both: LockFile) -> None:
    after = world.update(both, Wanted((B, C), complete=True))
    assert kinds(both, after) == [("removed", "a"), ("added", "c")]


def test_one_image_moves(world: World, both: LockFile) -> None:
    after = world.update(both, Wanted((), upgrade=[A]))
    assert kinds(both, after) == [("moved", "a")]
    assert world.asked == [str(A)]


def test_all_images_move(world: World, both: LockFile) -> None:
    after = world.update(both, Wanted((), upgrade=None))
    assert kinds(both, after) == [("moved", "a"), ("moved", "b")]


def test_what_is_not_locked_can_not_move(world: World, both: LockFile) -> None:
    with pytest.raises(PolicyError, match=r"registry\.test/c:1 is not locked"):
        world.update(both, Wanted((), upgrade=[C]))


def test_new_images_are_for_this_machine_unless_said_otherwise(world: World) -> None:
    def platforms(wanted: tuple[Platform, ...] | None) -> list[Platform]:
        (image,) = world.update(LockFile(), Wanted((A,), platforms=wanted)).images
        return [one.platform for one in image.platforms]

    assert platforms(()) == [AMD64]
    assert platforms((ARM64,)) == [ARM64]
    assert platforms(None) == [AMD64, ARM64]


def test_a_further_platform_does_not_move_the_image(world: World, both: LockFile) -> None:
    after = world.update(both, Wanted((A,), platforms=(ARM64,)))
    assert kinds(both, after) == [("changed", "a")]
    assert [one.platform for one in after.by_reference[A].platforms] == [AMD64, ARM64]
    assert after.by_reference[A].digest == both.by_reference[A].digest
    assert world.asked == [str(both.by_reference[A].pinned)]


def test_an_image_that_moves_keeps_its_platforms(world: World) -> None:
    lock = world.update(LockFile(), Wanted((A,), platforms=(ARM64,)))
    world.generation = "new"
    after = world.update(lock, Wanted((), upgrade=None))
    assert [one.platform for one in after.by_reference[A].platforms] == [ARM64]
