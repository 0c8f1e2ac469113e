"""Where each setting comes from: flag, then environment, then config file, then default.

The only reader of the environment. What collaborators need of it (``PATH``, proxies,
where credentials live) is copied into `Settings.environment` here.
"""

from __future__ import annotations

import os

from imgfetch.client.settings import Settings
from imgfetch.errors import UsageError
from imgfetch.lean.contextlib import contextmanager
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    _Parse = Callable[[object, str], Any]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
# Where no store is, if nothing says where to have one.
_NOWHERE = "/nonexistent/imgfetch"
# No number has as many; `int` raises where there are thousands.
_DIGITS = 18
_CONFIG_HINT = "name another with --config FILE or IMGFETCH_CONFIG"


@dataclass(frozen=True, slots=True)
class Sourced:
    """A setting's value and where it came from."""

    value: Any
    source: str


def _boolean(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise _wrong(name, value, "true or false")


def _number(least: int, most: int) -> _Parse:
    def parse(value: object, name: str) -> int:
        number = value
        text = value if isinstance(value, str) and len(value) <= _DIGITS else ""
        if text.isascii() and text.isdigit():
            number = int(text)
        if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
            return number
        raise _wrong(name, value, f"a number from {least} to {most}")

    return parse


def _one_of(*choices: str) -> _Parse:
    def parse(value: object, name: str) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise _wrong(name, value, " or ".join(choices))

    return parse


def _platform(value: object, name: str) -> str:
    text = _text(value, name)
    try:
        Platform.parse(text)
    except UsageError as error:
        raise _wrong(name, value, error.expected or "os/architecture[/variant]") from error
    return text


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise _wrong(name, value, "some text")


def _texts(value: object, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(filter(None, value.split(":")))
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _wrong(name, value, "a list of texts")


def _token_hosts(value: object, name: str) -> tuple[str, ...]:
    pairs = value if isinstance(value, list) else ()
    parts = [item.split("=") if isinstance(item, str) else () for item in pairs]
    if pairs and all(len(part) == 2 and all(part) for part in parts):  # noqa: PLR2004 - a pair
        return tuple(pairs)
    raise _wrong(name, value, 'a list of "REGISTRY=HOST"')


def _wrong(name: str, value: object, expected: str) -> UsageError:
    message = f"setting {name}: unusable value"
    return UsageError(message, expected=expected, actual=repr(value)[:80])


@dataclass(frozen=True, slots=True)
class _Setting:
    parse: _Parse
    environment: str | None = None
    default: Any = None


# Config file keys are these names.
SETTINGS: dict[str, _Setting] = {
    "store": _Setting(_text, "IMGFETCH_STORE"),
    "store_ro": _Setting(_texts, "IMGFETCH_STORE_RO", default=()),
    "locked": _Setting(_text, "IMGFETCH_LOCKED"),
    "offline": _Setting(_boolean, "IMGFETCH_OFFLINE", default=False),
    "platform": _Setting(_platform, "IMGFETCH_PLATFORM"),
    "runtime": _Setting(_text, "IMGFETCH_RUNTIME"),
    "network": _Setting(
        _one_of("auto", "private", "host", "none"), "IMGFETCH_NETWORK", default="auto"
    ),
    "rootfs_mode": _Setting(
        _one_of("auto", "overlay", "fuse-overlayfs", "copy"), "IMGFETCH_ROOTFS_MODE", default="auto"
    ),
    "jobs": _Setting(_number(1, 64), "IMGFETCH_JOBS", default=4),
    "authfile": _Setting(_text, "REGISTRY_AUTH_FILE"),
    "creds": _Setting(_text),
    "plain_http": _Setting(_texts, default=()),
    "insecure_skip_verify": _Setting(_texts, default=()),
    "ca": _Setting(_text),
    "token_hosts": _Setting(_token_hosts, default=()),
    "retries": _Setting(_number(0, 100), default=3),
    "progress": _Setting(
        _one_of("auto", "tty", "plain", "json", "none"), "IMGFETCH_PROGRESS", default="auto"
    ),
    "log_format": _Setting(_one_of("text", "json"), "IMGFETCH_LOG_FORMAT", default="text"),
    "quiet": _Setting(_boolean, default=False),
}


def load(
    flags: Mapping[str, Any], config: str | None, faults: list[UsageError] | None = None
) -> dict[str, Sourced]:
    """Every setting with its source.

    Args:
        flags: values given on the command line; None where not given.
        config: path of the config file given on the command line.
        faults: gets what is wrong, and nothing is raised then: what is unusable counts as not
            being there. For commands that work whatever the settings are.

    Raises:
        UsageError: an unusable value, or a config file that can't be read.
    """
    path, lines = "", ""
    file: dict[str, Any] = {}
    with _noted(faults):
        path, file, lines = _config_file(config)
    sourced = {name: Sourced(setting.default, "default") for name, setting in SETTINGS.items()}
    for name, setting in SETTINGS.items():
        flag = flags.get(name)
        variable = setting.environment
        with _noted(faults):
            if flag is not None and flag != ():
                sourced[name] = Sourced(setting.parse(flag, name), "flag")
            elif variable is not None and os.environ.get(variable):
                value = setting.parse(os.environ[variable], f"{name} ({variable})")
                sourced[name] = Sourced(value, variable)
            elif name in file:
                where = f"{name} ({path}{_line(lines, name)})"
                sourced[name] = Sourced(setting.parse(file[name], where), path)
    if sourced["store"].value is None:
        sourced["store"] = Sourced(_NOWHERE, "default")
        with _noted(faults):
            sourced["store"] = Sourced(_default_store(), "default")
    return sourced


@contextmanager
def _noted(faults: list[UsageError] | None) -> Generator[None]:
    """Take errors down, if somebody wants to have them."""
    try:
        yield
    except UsageError as error:
        if faults is None:
            raise
        faults.append(error)


def build(sourced: Mapping[str, Sourced]) -> Settings:
    """The client's settings."""
    value = {name: entry.value for name, entry in sourced.items()}
    return Settings(
        store=os.path.abspath(value["store"]),
        store_ro=tuple(map(os.path.abspath, value["store_ro"])),
        locked=value["locked"],
        offline=value["offline"],
        platform=value["platform"],
        runtime=value["runtime"],
        network=value["network"],
        rootfs_mode=value["rootfs_mode"],
        jobs=value["jobs"],
        authfile=value["authfile"],
        creds=value["creds"],
        plain_http=value["plain_http"],
        insecure=value["insecure_skip_verify"],
        ca=value["ca"],
        token_hosts=value["token_hosts"],
        retries=value["retries"],
        environment=dict(os.environ),
    )


def _default_store() -> str:
    if os.geteuid() == 0:
        return "/var/lib/imgfetch"
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            message = "nowhere to keep images: neither XDG_DATA_HOME nor HOME is a directory"
            raise UsageError(message, hint="name one with --store DIR or IMGFETCH_STORE")
        data = f"{home}/.local/share"
    return f"{data}/imgfetch"


def _config_file(given: str | None) -> tuple[str, dict[str, Any], str]:
    """The config file's path, values and text; all empty where there is none."""
    chosen = given or os.environ.get("IMGFETCH_CONFIG")
    if chosen:
        candidates = [chosen]
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
        candidates = [f"{base}/imgfetch/config.toml", "/etc/imgfetch/config.toml"]
    for path in candidates:
        try:
            with open(path, "rb") as file:
                raw = file.read()
        except OSError as error:
            if chosen or not isinstance(error, FileNotFoundError | NotADirectoryError):
                message = f"config file {path}: {error.strerror}"
                raise UsageError(message, hint=_CONFIG_HINT) from error
        else:
            return path, _parse_toml(raw, path), raw.decode(errors="replace")
    return "", {}, ""


def _parse_toml(raw: bytes, path: str) -> dict[str, Any]:
    import tomllib

    try:
        values = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"config file {path}: {error}"
        raise UsageError(message, expected="TOML") from error
    unknown = sorted(values.keys() - SETTINGS.keys())
    if unknown:
        line = _line(raw.decode(), unknown[0])
        message = f"config file {path}{line}: unknown setting {unknown[0]!r}"
        raise UsageError(message, expected=", ".join(SETTINGS))
    return values


def _line(text: str, name: str) -> str:
    """Where in a config file a setting is, for errors; "" where that can't be told."""
    import re

    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[*\s*[\"']?{re.escape(name)}\b", line):
            return f", line {number}"
    return ""
