from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from imgfetch.lean import contextlib as lean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture(params=[contextlib, lean], ids=["original", "lean"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    """The original, and ours."""
    chosen: ModuleType = request.param
    return chosen


def _fail(error: BaseException) -> None:
    raise error


def test_suppress_takes_errors_of_its_kinds(module: ModuleType) -> None:
    with module.suppress(ValueError, LookupError):
        _fail(KeyError())
    with pytest.raises(OSError, match="other"), module.suppress(ValueError):
        _fail(OSError("other"))
    with module.suppress(ValueError):
        pass


def test_nullcontext_and_closing(module: ModuleType) -> None:
    closed: list[str] = []

    class Thing:
        def close(self) -> None:
            closed.append("closed")

    thing = Thing()
    with module.nullcontext(thing) as same, module.closing(thing) as also:
        assert same is also is thing
        assert closed == []
    assert closed == ["closed"]
    with module.nullcontext() as nothing:
        assert nothing is None


def test_a_generator_is_a_context(module: ModuleType) -> None:
    steps: list[str] = []

    def _context(name: str) -> Iterator[str]:
        """What it is."""
        steps.append(f"{name} begins")
        try:
            yield name
        finally:
            steps.append(f"{name} ends")

    context = module.contextmanager(_context)

    with context("a") as given:
        steps.append(given)
    with pytest.raises(ValueError, match="through"), context("b"):
        _fail(ValueError("through"))
    assert steps == ["a begins", "a", "a ends", "b begins", "b ends"]
    assert (context.__name__, context.__doc__) == ("_context", "What it is.")


@pytest.mark.parametrize("thrown", [StopIteration, RuntimeError, KeyError, GeneratorExit])
def test_what_is_thrown_into_a_generator_comes_out(
    module: ModuleType, thrown: type[BaseException]
) -> None:
    def _context() -> Iterator[None]:
        yield

    context = module.contextmanager(_context)

    error = thrown("said")
    with pytest.raises(thrown) as caught, context():
        _fail(error)
    assert caught.value is error


def test_generators_may_deal_with_errors(module: ModuleType) -> None:
    def _context() -> Iterator[None]:
        try:
            yield
        except KeyError:
            return
        except ValueError as error:
            message = "another"
            raise OSError(message) from error

    context = module.contextmanager(_context)

    with context():
        _fail(KeyError())
    with pytest.raises(OSError, match="another") as caught, context():
        _fail(ValueError())
    assert isinstance(caught.value.__cause__, ValueError)


def test_generators_that_do_not_yield_once_are_errors(module: ModuleType) -> None:
    def _never() -> Iterator[None]:
        yield from ()

    never = module.contextmanager(_never)

    def _twice() -> Iterator[None]:
        with contextlib.suppress(KeyError):
            yield
        yield

    twice = module.contextmanager(_twice)

    with pytest.raises(RuntimeError, match="didn't yield"), never():
        pass
    with pytest.raises(RuntimeError, match="didn't stop"), twice():
        pass
    with pytest.raises(RuntimeError, match="didn't stop"), twice():
        _fail(KeyError())


def test_a_stack_undoes_the_last_first(module: ModuleType) -> None:
    steps: list[Any] = []
    with module.ExitStack() as stack:
        assert stack.enter_context(module.nullcontext("value")) == "value"
        stack.callback(steps.append, "first")
        stack.callback(lambda *args, **kwargs: steps.append((args, kwargs)), 1, two=2)
    assert steps == [((1,), {"two": 2}), "first"]
    stack.callback(steps.clear)
    stack.close()
    assert steps == []


def test_a_stack_hands_its_work_over(module: ModuleType) -> None:
    steps: list[str] = []
    with module.ExitStack() as stack:
        stack.callback(steps.append, "done")
        rest = stack.pop_all()
    assert steps == []
    rest.close()
    assert steps == ["done"]


def test_an_error_passes_all_that_is_to_be_undone(module: ModuleType) -> None:
    steps: list[Any] = []

    class Watching:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: object, error: object, traceback: object) -> None:
            steps.append(error)

    error = ValueError("it")
    with pytest.raises(ValueError, match="it") as caught, module.ExitStack() as stack:  # noqa: PT012 - its order is the point
        stack.enter_context(Watching())
        stack.callback(steps.append, "called")
        raise error
    assert steps == ["called", error]
    assert caught.value is error


def test_an_error_may_be_dealt_with_on_the_way(module: ModuleType) -> None:
    steps: list[Any] = []
    with module.ExitStack() as stack:
        stack.callback(steps.append, "outer")
        stack.enter_context(module.suppress(KeyError))
        _fail(KeyError())
    assert steps == ["outer"]


def test_errors_while_undoing_name_those_before(module: ModuleType) -> None:
    def fail(error: Exception) -> None:
        raise error

    body, first, second = KeyError("body"), ValueError("first"), OSError("second")
    with pytest.raises(OSError, match="second") as caught, module.ExitStack() as stack:  # noqa: PT012 - its order is the point
        stack.callback(fail, second)
        stack.callback(fail, first)
        raise body
    assert caught.value is second
    assert second.__context__ is first
    assert first.__context__ is body


def test_an_error_of_the_first_is_passed_to_the_others(module: ModuleType) -> None:
    def fail() -> None:
        raise KeyError

    with module.ExitStack() as stack:
        stack.enter_context(module.suppress(KeyError))
        stack.callback(fail)


def test_a_context_that_can_not_be_entered_is_not_left(module: ModuleType) -> None:
    steps: list[str] = []

    class Broken:
        def __enter__(self) -> None:
            raise KeyError

        def __exit__(self, *details: object) -> None:
            steps.append("left")

    with pytest.raises(KeyError), module.ExitStack() as stack:
        stack.enter_context(Broken())
    assert steps == []
