from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imgfetch.bundle.options import (
    Limits,
    RunOptions,
)
from imgfetch.errors import (
    InvalidOptionError,
)
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    PLACE,
    make_spec,
    rootless_host,
)


def limits(**options: Any) -> RunOptions:
    return RunOptions(limits=Limits(**options))


def test_limits_are_dockers() -> None:
    spec = make_spec(
        limits(
            memory=1 << 20,
            cpus=1.5,
            cpuset_cpus="0-1",
            cpuset_mems="0",
            cpu_shares=512,
            pids=-1,
            memory_reservation=1 << 19,
        )
    )
    check_spec(spec.document)
    resources = spec.document["linux"]["resources"]
    assert resources["memory"] == {"limit": 1 << 20, "swap": 2 << 20, "reservation": 1 << 19}
    assert resources["cpu"] == {"shares": 512, "quota": 150000, "period": 100000} | {
        "cpus": "0-1",
        "mems": "0",
    }
    assert resources["pids"] == {"limit": -1}


def test_swap_may_be_unlimited_but_not_less_than_memory() -> None:
    document = make_spec(limits(memory=2, memory_swap=-1)).document
    assert document["linux"]["resources"]["memory"] == {"limit": 2, "swap": -1}
    for wrong in (limits(memory=2, memory_swap=1), limits(memory_swap=1)):
        with pytest.raises(InvalidOptionError, match="memory"):
            make_spec(wrong)


def test_cpus_is_a_quota() -> None:
    resources = make_spec(limits(cpu_quota=5000, cpu_period=10000)).document["linux"]["resources"]
    assert resources["cpu"] == {"quota": 5000, "period": 10000}
    with pytest.raises(InvalidOptionError, match="--cpus"):
        make_spec(limits(cpus=1.0, cpu_quota=5000))


@pytest.mark.parametrize(
    ("options", "controller"),
    [
        ({"memory": 1}, "memory"),
        ({"cpus": 1.0}, "cpu"),
        ({"cpuset_cpus": "0"}, "cpuset"),
        ({"pids": 5}, "pids"),
    ],
)
def test_a_limit_that_can_not_be_had_is_an_error_or_a_warning(
    options: dict[str, Any], controller: str
) -> None:
    """The runtime crun would ignore it without a word."""
    with pytest.raises(InvalidOptionError, match=controller):
        make_spec(limits(**options), host=rootless_host())
    spec = make_spec(limits(**options, strict=False), host=rootless_host())
    assert controller in spec.warnings[0]
    assert "resources" not in spec.document["linux"]


@pytest.mark.parametrize("path", [None, ""])
def test_an_empty_cgroup_path_is_never_written(path: str | None) -> None:
    """The runtime crun kills all processes of the root cgroup for one."""
    place = dataclasses.replace(PLACE, cgroup_path=path)
    assert "cgroupsPath" not in make_spec(place=place).document["linux"]
    given = dataclasses.replace(PLACE, cgroup_path="/imgfetch/x")
    assert make_spec(place=given).document["linux"]["cgroupsPath"] == "/imgfetch/x"
