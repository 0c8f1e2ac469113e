"""Short names: what the user's files say that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from imgfetch.client.naming import parse_name
from imgfetch.errors import InvalidReferenceError, UsageError
from imgfetch.registry import registries_files

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """A user with a configuration file of their own."""
    path = tmp_path / "registries.conf"
    path.write_text(
        '[aliases]\n"bb" = "registry.test/tools/busybox"\n"team/app" = "registry.test/app"\n',
        "utf-8",
    )
    return {"HOME": str(tmp_path), "CONTAINERS_REGISTRIES_CONF": str(path)}


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("bb", "registry.test/tools/busybox:latest"),
        ("bb:1", "registry.test/tools/busybox:1"),
        (f"bb@{DIGEST}", f"registry.test/tools/busybox@{DIGEST}"),
        ("store:bb:1", "store:registry.test/tools/busybox:1"),
        ("team/app", "registry.test/app:latest"),
        ("bbb", "docker.io/library/bbb:latest"),
        ("x/bb", "docker.io/x/bb:latest"),
        ("docker://bb", "docker.io/library/bb:latest"),
        ("docker.io/library/bb", "docker.io/library/bb:latest"),
        ("localhost/bb", "localhost/bb:latest"),
        ("oci:bb:1", "oci:bb:1"),
        ("dir:bb", "dir:bb"),
    ],
)
def test_short_names_alone_have_aliases(
    environment: Mapping[str, str], name: str, means: str
) -> None:
    assert [str(one) for one in parse_name(name, environment)] == [means]


def searching(environment: Mapping[str, str], text: str) -> None:
    path = Path(environment["CONTAINERS_REGISTRIES_CONF"])
    path.write_text(f"{text}\n{path.read_text('utf-8')}", "utf-8")


@pytest.mark.parametrize("mode", ["", "permissive", "disabled"])
def test_other_short_names_are_searched_for(environment: Mapping[str, str], mode: str) -> None:
    text = 'unqualified-search-registries = ["docker.io", "quay.io:443"]'
    searching(environment, text + (f'\nshort-name-mode = "{mode}"' if mode else ""))
    for name, means in (
        ("alpine:3", ["docker.io/library/alpine:3", "quay.io:443/alpine:3"]),
        ("store:me/app", ["store:docker.io/me/app:latest", "store:quay.io:443/me/app:latest"]),
        ("bb", ["registry.test/tools/busybox:latest"]),
        ("quay.io/bbb", ["quay.io/bbb:latest"]),
        ("docker://alpine", ["docker.io/library/alpine:latest"]),
    ):
        assert [str(one) for one in parse_name(name, environment)] == means


def test_nobody_can_be_asked_what_a_short_name_means(environment: Mapping[str, str]) -> None:
    one = 'unqualified-search-registries = ["quay.io"]\nshort-name-mode = "enforcing"'
    searching(environment, one)
    assert [str(found) for found in parse_name("x", environment)] == ["quay.io/x:latest"]
    path = Path(environment["CONTAINERS_REGISTRIES_CONF"])
    for listed, words in (
        ('["a.test", "quay.io"]', "which one is meant: a.test/x, quay.io/x"),
        ("[]", "names no registry to search"),
    ):
        path.write_text(one.replace('["quay.io"]', listed), "utf-8")
        with pytest.raises(InvalidReferenceError, match=words):
            parse_name("x", environment)


@pytest.mark.parametrize(
    "text",
    [
        "unqualified-search-registries = 1",
        'unqualified-search-registries = "quay.io"',
        'unqualified-search-registries = ["quay.io/x"]',
        'unqualified-search-registries = []\nshort-name-mode = "ask"',
    ],
)
def test_what_cannot_be_searched_is_an_error(environment: Mapping[str, str], text: str) -> None:
    searching(environment, text)
    with pytest.raises(UsageError, match=r"short-name-mode|unqualified-search-registries"):
        parse_name("x", environment)


def test_files_that_say_nothing_about_a_name_are_not_parsed(
    environment: Mapping[str, str],
) -> None:
    """A warm run has no time for it, and a broken file is told of when it matters."""
    Path(environment["CONTAINERS_REGISTRIES_CONF"]).write_text("bb is no TOML", "utf-8")
    [found] = parse_name("alpine", environment)
    assert str(found) == "docker.io/library/alpine:latest"
    with pytest.raises(UsageError):
        parse_name("bb", environment)


def test_the_users_file_hides_the_systems_and_drop_ins_come_last(tmp_path: Path) -> None:
    home, system = tmp_path / "home", tmp_path / "etc"
    expected = [system / "containers/registries.conf"]
    for directory in (system / "containers", home / ".config/containers"):
        (directory / "registries.conf.d").mkdir(parents=True)
        for name in ("b.conf", "a.conf", "ignored.txt"):
            (directory / "registries.conf.d" / name).touch()
        expected += [directory / "registries.conf.d" / name for name in ("a.conf", "b.conf")]

    def found(environment: Mapping[str, str]) -> list[Path]:
        return list(map(Path, registries_files.paths(environment, str(home), str(system))))

    assert found({}) == expected
    own = home / ".config/containers/registries.conf"
    own.touch()
    assert found({}) == [own, *expected[1:]]
    assert found({"CONTAINERS_REGISTRIES_CONF": "/x"}) == [Path("/x")]
