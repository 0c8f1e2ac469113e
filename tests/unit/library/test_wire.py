"""What goes between a program and its children arrives as it was."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from imgfetch import errors, failures
from imgfetch.bundle.options import BindMount, RunOptions, VolumeMount
from imgfetch.client import PinnedImage, Settings
from imgfetch.client.running import Supervision
from imgfetch.errors import ImgfetchError, InterruptedBySignalError
from imgfetch.library import wire
from imgfetch.library.keywords import run_options
from imgfetch.oci.digest import Digest

SETTINGS = Settings("/store", environment={"PATH": "/bin", "odd\udcff": "\udcfe"})
OPTIONS = run_options(
    ["a", "b\udcff"],
    {
        "mounts": [BindMount("/a", "/b"), VolumeMount(None, "/c"), "type=tmpfs,dst=/d"],
        "volumes": ["/etc:/e:ro"],
        "user": 1000,
        "sysctls": {"net.ipv4.ping_group_range": "0 1"},
        "uid_maps": ["0:0:1"],
        "publish": ["8080:80/udp"],
        "ulimits": ["nofile=1:2"],
        "spec_patch": {"a": [1, {"b": None}]},
        "cpus": 1.5,
    },
    SETTINGS,
)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, (2, "x"), {"a": [()]}],
        {"@": "not a kind"},
        RunOptions(),
        OPTIONS,
        SETTINGS,
        Supervision(timeout=0.5),
        [PinnedImage("a/b", Digest.of(b""), "linux/amd64")],
    ],
)
def test_values_arrive_as_they_were(value: object) -> None:
    arrived = wire.decode(wire.loads(wire.dumps({"value": wire.encode(value)}))["value"])
    assert arrived == value
    assert type(arrived) is type(value)


@dataclass
class Foreign:
    """Not of the package."""

    number: int = 1


@pytest.mark.parametrize("value", [Foreign(), object(), ImgfetchError("x"), {1, 2}, b""])
def test_nothing_but_values_of_the_package_is_passed_on(value: object) -> None:
    with pytest.raises(TypeError):
        wire.encode(value)


@pytest.mark.parametrize(
    "kind",
    [
        "os:system",
        "tests.unit.library.test_wire:Foreign",
        "imgfetch.errors:ImgfetchError",
        "imgfetch.library.call:Call",
    ],
)
def test_nothing_but_values_of_the_package_is_made(kind: str) -> None:
    with pytest.raises((TypeError, AttributeError)):
        wire.decode({"@": kind, "of": {}})


def _tree(root: type[ImgfetchError]) -> list[type[ImgfetchError]]:
    return [root, *(error for child in root.__subclasses__() for error in _tree(child))]


@pytest.mark.parametrize(
    "kind",
    [error for error in _tree(ImgfetchError) if error.__module__ == errors.__name__],
    ids=lambda kind: kind.__name__,
)
def test_errors_of_every_class_arrive_as_they_were(kind: type[ImgfetchError]) -> None:
    sent: ImgfetchError
    if kind is InterruptedBySignalError:
        sent = InterruptedBySignalError(15)
    else:
        sent = kind("m", expected=1, actual="b", hint="h")
        for fact, value in (("status", 127), ("transient", True)):
            if hasattr(sent, fact):
                setattr(sent, fact, value)
    arrived = failures.from_message(wire.loads(wire.dumps(failures.to_message(sent))))
    assert type(arrived) is kind
    assert str(arrived) == str(sent)
    assert vars(arrived) == vars(sent)


def test_an_error_of_a_rooms_own_class_arrives_as_its_nearest_public_one() -> None:
    class _EndedError(errors.StoreLockedError):
        """Nobody else's."""

    arrived = failures.from_message(failures.to_message(_EndedError("m")))
    assert type(arrived) is errors.StoreLockedError


def test_a_bug_arrives_with_its_traceback() -> None:
    try:
        raise KeyError("here")  # noqa: TRY301, EM101 - what a bug looks like
    except KeyError as error:
        arrived = failures.from_message(failures.to_message(error))
    assert type(arrived) is RuntimeError
    assert "test_wire.py" in str(arrived)
    assert "KeyError: 'here'" in str(arrived)
