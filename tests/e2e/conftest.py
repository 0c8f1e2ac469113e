"""What all tests of the installed command share: a registry with images, and who has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.archives import other
from tests.e2e.moving import moving
from tests.e2e.people import Somebody
from tests.e2e.published import Published, publish
from tests.support.cli import Imgfetch, imgfetch, imgfetch_for
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.users import User, any_user, plain_user, subid_user

__all__ = ["any_user", "imgfetch", "moving", "other", "plain_user", "subid_user"]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry that tests only read from."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, registry: DockerRegistry) -> Published:
    """The images in that registry."""
    return publish(registry, tmp_path_factory.mktemp("images") / "layout")


@pytest.fixture(scope="session")
def myself(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Somebody:
    """Whoever runs the tests: root, in CI."""
    directory = tmp_path_factory.mktemp("myself")
    (directory / "home").mkdir()
    return _with_images(Imgfetch(directory / "store", directory / "home"), published)


@pytest.fixture(scope="session")
def subid_somebody(subid_user: User, published: Published) -> Somebody:
    """An ordinary user with subordinate ids."""
    return _with_images(imgfetch_for(subid_user), published)


@pytest.fixture(scope="session")
def plain_somebody(plain_user: User, published: Published) -> Somebody:
    """An ordinary user without subordinate ids."""
    return _with_images(imgfetch_for(plain_user), published)


@pytest.fixture(scope="session", params=["myself", "subid_somebody", "plain_somebody"])
def anybody(request: pytest.FixtureRequest) -> Somebody:
    """Everybody in turn: root, and both kinds of ordinary users."""
    somebody = request.getfixturevalue(request.param)
    assert isinstance(somebody, Somebody)
    return somebody


@pytest.fixture(scope="session", params=["myself", "subid_somebody"])
def with_many_ids(request: pytest.FixtureRequest) -> Somebody:
    """Those who can have several users in a container."""
    somebody = request.getfixturevalue(request.param)
    assert isinstance(somebody, Somebody)
    return somebody


@pytest.fixture(params=["root", "subid", "plain"])
def newcomer(request: pytest.FixtureRequest, imgfetch: Imgfetch, published: Published) -> Somebody:
    """Everybody in turn, with a store that is not there yet."""
    if request.param == "root":
        return Somebody(imgfetch, published)
    user = request.getfixturevalue(f"{request.param}_user")
    assert isinstance(user, User)
    return Somebody(imgfetch_for(user), published)


def _with_images(command: Imgfetch, published: Published) -> Somebody:
    references = [published.busybox, published.stencil, published.bare, published.settings]
    command("pull", "--unpack", *references).succeeded()
    return Somebody(command, published)
