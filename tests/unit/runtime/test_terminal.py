"""Standard descriptors."""

from __future__ import annotations

import os

import pytest

from imgfetch.runtime.terminal import ensure_standard_descriptors, terminal_kept
from tests.support.forked import forked


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2), ()])
def test_closed_standard_descriptors_are_opened(closed: tuple[int, ...]) -> None:
    """R150: otherwise the next file opened would be the container's output."""

    def work() -> list[bool]:
        for descriptor in closed:
            os.close(descriptor)
        ensure_standard_descriptors()
        null = os.stat("/dev/null")
        assert all(os.get_inheritable(descriptor) for descriptor in closed)
        return [os.path.samestat(os.fstat(descriptor), null) for descriptor in closed]

    assert forked(work) == [True] * len(closed)


def test_without_a_terminal_there_are_no_modes_to_keep() -> None:
    def work() -> bool:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        with terminal_kept():
            return True

    assert forked(work)
