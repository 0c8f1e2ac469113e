"""The commands of the documentation do what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import manual
from tests.support.cli import Imgfetch, imgfetch_for
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.users import User


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    directory = tmp_path_factory.mktemp("registry")
    with docker_registry(directory / "storage") as running:
        manual.publish(running, directory / "layout")
        yield running


def _check(page: str, reader: Imgfetch, registry: DockerRegistry) -> None:
    manual.prepare(reader, registry)
    for block, printed in manual.follow(manual.DOCS / page, reader):
        assert block.is_answered_by(printed), f"{block.commands}\nprinted:\n{printed}"


@pytest.mark.parametrize("page", manual.pages())
def test_the_commands_of_a_page_do_what_it_says(
    page: str, imgfetch: Imgfetch, registry: DockerRegistry
) -> None:
    _check(page, imgfetch, registry)


def test_the_tutorial_needs_no_root(subid_user: User, registry: DockerRegistry) -> None:
    _check("tutorial.md", imgfetch_for(subid_user), registry)
