"""``linux.resources``: how much a container may use.

runtime-spec config-linux.md "Control groups". Without cgroups runc refuses limits and
crun ignores them silently, so whether a limit can be had is decided here.
"""

from __future__ import annotations

from imgfetch.bundle.defaults import PIDS_LIMIT
from imgfetch.errors import InvalidOptionError
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts
    from imgfetch.bundle.options import Limits, ProcessOptions

_PERIOD: Final = 100_000


def resources(limits: Limits, host: HostFacts, warnings: list[str]) -> dict[str, Any]:
    """Limits by controller.

    Args:
        limits: asked for.
        host: what can be had.
        warnings: gets a sentence for each limit that can't be had, unless strict.

    Raises:
        InvalidOptionError: a strict limit that can't be had, or that contradicts another.
    """
    wanted = {
        "memory": _memory(limits),
        "cpu": _cpu(limits),
        "cpuset": _present({"cpus": limits.cpuset_cpus, "mems": limits.cpuset_mems}),
        "pids": _present({"limit": limits.pids}),
    }
    for controller in [name for name, values in wanted.items() if values]:
        if controller not in host.controllers:
            _unavailable(controller, limits, warnings)
            wanted[controller] = {}
    if limits.pids is None and "pids" in host.controllers:
        wanted["pids"] = {"limit": PIDS_LIMIT}
    cpu = {**wanted["cpu"], **wanted["cpuset"]}
    groups = {"memory": wanted["memory"], "cpu": cpu, "pids": wanted["pids"]}
    return {name: values for name, values in groups.items() if values}


def _unavailable(controller: str, limits: Limits, warnings: list[str]) -> None:
    message = f"no {controller} limits here: that cgroup controller can't be used"
    if limits.strict:
        hint = "as an ordinary user: let systemd delegate it, or use --limits=best-effort"
        raise InvalidOptionError(message, hint=hint)
    warnings.append(message)


def _memory(limits: Limits) -> dict[str, Any]:
    """As in docker, swap is the sum of both, and twice the memory when not given."""
    swap = limits.memory_swap
    if swap is not None and limits.memory is None:
        message = "--memory-swap needs --memory"
        raise InvalidOptionError(message)
    if limits.memory is not None:
        swap = 2 * limits.memory if swap is None else swap
        if exceeds(limits.memory, swap):
            message = "--memory-swap is memory and swap together"
            raise InvalidOptionError(message, expected=f"at least {limits.memory} bytes")
    values = {"limit": limits.memory, "swap": swap, "reservation": limits.memory_reservation}
    return _present(values)


def _cpu(limits: Limits) -> dict[str, Any]:
    quota, period = limits.cpu_quota, limits.cpu_period
    if limits.cpus is not None:
        if quota is not None or period is not None:
            message = "--cpus can't be used with --cpu-quota or --cpu-period"
            raise InvalidOptionError(message)
        quota, period = round(limits.cpus * _PERIOD), _PERIOD
    return _present({"shares": limits.cpu_shares, "quota": quota, "period": period})


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def rlimits(process: ProcessOptions, host: HostFacts, warnings: list[str]) -> list[dict[str, Any]]:
    """``process.rlimits``, cut to what the caller may set: above that runtimes fail."""
    result = []
    for limit in process.ulimits:
        soft, hard = limit.soft, limit.hard
        ceiling = host.rlimits.get(limit.name, (-1, -1))[1]
        if exceeds(hard, ceiling) and not host.may_raise_limits:
            name = limit.name.removeprefix("RLIMIT_").lower()
            warnings.append(f"ulimit {name} cut to {ceiling}, the caller's own hard limit")
            hard = ceiling
            soft = hard if exceeds(soft, hard) else soft
        # -1 is unlimited, and RLIM_INFINITY has all bits set; JSON has it unsigned.
        result.append({"type": limit.name, "soft": soft % 2**64, "hard": hard % 2**64})
    return result


def oom_score_adj(process: ProcessOptions, host: HostFacts, warnings: list[str]) -> dict[str, int]:
    """``process.oomScoreAdj``; below the caller's own only with CAP_SYS_RESOURCE."""
    wanted = process.oom_score_adj
    if wanted is None:
        return {}
    if wanted < host.oom_score_adj and not host.may_raise_limits:
        warnings.append(f"oom-score-adj raised to {host.oom_score_adj}, the caller's own")
        wanted = host.oom_score_adj
    return {"oomScoreAdj": wanted}


def exceeds(soft: int, hard: int) -> bool:
    """Whether one resource limit is above another, where -1 is unlimited."""
    return hard != -1 and (soft == -1 or soft > hard)
