from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from imgfetch.lean import functools as lean

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("module", [functools, lean], ids=["original", "lean"])
def test_results_are_kept(module: ModuleType) -> None:
    calls: list[int] = []

    def double(number: int) -> int:
        """Twice as much."""
        calls.append(number)
        return 2 * number

    cached = module.cache(double)
    assert [cached(2), cached(2), cached(3)] == [4, 4, 6]
    assert calls == [2, 3]
    assert cached.__wrapped__(2) == 4
    assert cached.__doc__ == "Twice as much."
    cached.cache_clear()
    assert (cached(2), calls) == (4, [2, 3, 2, 2])
    assert module.partial(int, base=2)("11") == 3
