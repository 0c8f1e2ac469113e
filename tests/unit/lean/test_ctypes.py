from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import ModuleType

import pytest

from imgfetch.lean import ctypes as lean


@pytest.fixture(params=[ctypes, lean], ids=["original", "lean"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


def test_calls_take_bytes_and_numbers_and_give_a_number(module: ModuleType, tmp_path: Path) -> None:
    libc = module.CDLL(None, use_errno=True)
    path = os.fsencode(tmp_path / "made")
    assert libc.mkdir(path, module.c_int(0o700)) == 0
    assert (tmp_path / "made").is_dir()
    assert libc.getpid() == os.getpid()


def test_a_null_pointer_is_none(module: ModuleType) -> None:
    """As in mount(2), whose data may be left out; time(2) says where to, or nowhere."""
    assert module.CDLL(None, use_errno=True).time(None) > 0


def test_the_kernels_errno_is_that_of_the_last_call(module: ModuleType) -> None:
    libc = module.CDLL(None, use_errno=True)
    assert libc.umount2(b"/nowhere/at/all", module.c_ulong(0)) == -1
    assert module.get_errno() in {errno.ENOENT, errno.EPERM}


def test_results_may_be_long(module: ModuleType) -> None:
    """`syscall(2)` gives what is a pointer to some."""
    labs = module.CDLL(None, use_errno=True).labs
    labs.restype = module.c_long
    assert labs(module.c_long(-(2**40))) == 2**40


def test_a_function_that_is_not_there_is_an_attribute_error(module: ModuleType) -> None:
    with pytest.raises(AttributeError):
        _ = module.CDLL(None, use_errno=True).there_is_no_such_function


def test_without_errno_the_original_is_to_be_used() -> None:
    with pytest.raises(TypeError):
        lean.CDLL(None, use_errno=False)
