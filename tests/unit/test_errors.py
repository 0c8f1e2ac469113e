"""The errors: what they carry, how they read, and the tree that the docstring draws."""

from __future__ import annotations

import copy
import inspect
import re
import signal

import pytest

from imgfetch import errors, remedies
from imgfetch.cli import exitcodes
from imgfetch.errors import (
    CommandError,
    ImgfetchError,
    InterruptedBySignalError,
    NetworkError,
    RegistryError,
    TLSError,
)

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, ImgfetchError)
]
# Those that take a message and what else `ImgfetchError` takes.
PLAIN = [error for error in CLASSES if error is not InterruptedBySignalError]


def _drawn() -> list[tuple[str, str, str]]:
    """The docstring's tree: each class with its parent and the exit status beside it."""
    lines = (errors.__doc__ or "").splitlines()
    tree = [line for line in lines if re.search(r"\bImgfetchError$|[├└]── ", line)]
    drawn: list[tuple[str, str, str]] = []
    path: list[str] = []
    for line in tree:
        found = re.fullmatch(r"    ([│ ├└─]*)(\w+)(?: +(\d+(?:\+n)?))?(?:  .*)?", line)
        assert found, line
        indent, name, status = found.groups()
        depth = len(indent) // 4
        path[depth:] = [name]
        drawn.append((name, path[depth - 1] if depth else "", status or ""))
    return drawn


def _parent(error: type[ImgfetchError]) -> str:
    return "" if error is ImgfetchError else error.__mro__[1].__name__


def test_the_docstring_draws_the_tree() -> None:
    drawn = [(name, parent) for name, parent, _ in _drawn()]
    assert sorted(drawn) == sorted((error.__name__, _parent(error)) for error in CLASSES)


def test_the_docstring_lists_classes_in_the_order_of_the_module() -> None:
    assert [name for name, *_ in _drawn()] == [error.__name__ for error in CLASSES]


def test_the_docstring_gives_the_exit_status_of_each_branch() -> None:
    table = {
        error.__name__: "128+n" if error is InterruptedBySignalError else str(status)
        for error, status in exitcodes.EXIT_CODES.items()
        if error is not ImgfetchError
    }
    assert {name: status for name, _, status in _drawn() if status} == table


def test_every_class_has_a_next_step_and_nothing_else_has() -> None:
    assert list(remedies.NEXT_STEPS) == [error.__name__ for error in CLASSES]
    assert all(remedies.NEXT_STEPS.values())


@pytest.mark.parametrize("error", CLASSES)
def test_names_end_in_error_and_docstrings_are_their_own(error: type[ImgfetchError]) -> None:
    assert error.__name__.endswith("Error")
    assert error.__doc__
    assert [other for other in CLASSES if other.__doc__ == error.__doc__] == [error]


@pytest.mark.parametrize("error", PLAIN)
def test_an_error_reads_as_message_difference_and_next_step(error: type[ImgfetchError]) -> None:
    failure = error("what failed", expected=1, actual="2", hint="try this")
    assert failure.lines() == ["what failed", "expected 1", "got      2", "try this"]
    assert (failure.message, failure.expected, failure.actual, failure.hint) == (
        "what failed",
        "1",
        "2",
        "try this",
    )
    assert str(failure) == "what failed"


@pytest.mark.parametrize("error", PLAIN)
def test_what_is_not_given_is_not_told(error: type[ImgfetchError]) -> None:
    assert error("what failed").lines() == ["what failed"]


def test_values_that_are_false_are_told_all_the_same() -> None:
    failure = ImgfetchError("what failed", expected=0, actual="", hint="")
    assert failure.lines() == ["what failed", "expected 0", "got      ", ""]


@pytest.mark.parametrize("error", [error for error in CLASSES if issubclass(error, RegistryError)])
def test_a_registrys_errors_carry_the_http_status(error: type[RegistryError]) -> None:
    assert error("what failed").status is None
    assert error("what failed", status=503).status == 503


def test_a_command_that_cannot_be_started_carries_the_shells_status() -> None:
    assert CommandError("what failed").status == 126
    assert CommandError("what failed", status=127).status == 127


@pytest.mark.parametrize("error", [NetworkError, TLSError])
def test_network_errors_tell_whether_asking_again_may_help(error: type[NetworkError]) -> None:
    assert not error("what failed").transient
    assert error("what failed", transient=True).transient


def test_an_interruption_carries_the_signal() -> None:
    failure = InterruptedBySignalError(signal.SIGTERM)
    assert failure.lines() == ["interrupted by signal 15"]
    assert failure.signal_number == 15
    assert type(failure.signal_number) is int


@pytest.mark.parametrize(
    "failure",
    [
        ImgfetchError("a", expected=1, actual=2, hint="b"),
        RegistryError("a", status=404),
        NetworkError("a", transient=True),
        CommandError("a", status=127),
        InterruptedBySignalError(2),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_errors_can_be_copied_and_so_sent_to_another_process(failure: ImgfetchError) -> None:
    again = copy.copy(failure)
    assert type(again) is type(failure)
    assert again.args == failure.args
    assert vars(again) == vars(failure)
