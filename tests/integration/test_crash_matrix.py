"""Whole commands, killed at each kind of step: the next one just works.

A step is a system call of the command or of a program that it starts; see
`tests.support.struck`. The last lines of a test run count them, ``-rP`` shows how each ended.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.support.kills import Case
from tests.support.preloaded import workers
from tests.support.struck import steps, summary
from tests.support.whole_commands import COMMANDS, World, world

__all__ = ["workers", "world"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_next_command_just_works(
    world: World,
    workers: ProcessPoolExecutor,
    command: str,
    record_property: Callable[[str, object], None],
) -> None:
    """R091, R092."""
    case = workers.submit(Case.of, world, command).result()
    chosen = steps(case.counts)
    outcomes = dict(zip(chosen, workers.map(case.outcome, chosen), strict=True))
    wrong = {step: text for step, text in outcomes.items() if not text.lstrip("-").isdigit()}
    hit = sum(text != "0" for text in outcomes.values())
    record_property("tried", f"{command}: {len(chosen)} steps, {hit} ended it; {summary(chosen)}")
    ended = [f"{step}: {'wrong' if step in wrong else text}" for step, text in outcomes.items()]
    print("\n".join(ended))  # noqa: T201 - the table
    assert not wrong, "\n\n".join(f"{step}\n{text}" for step, text in wrong.items())
    assert hit >= len(chosen) // 2
