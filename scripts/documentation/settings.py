"""docs/reference/configuration.md: every setting, with its flag, variable, key and default."""

from __future__ import annotations

from imgfetch.cli import flags
from imgfetch.cli.settings import SETTINGS

_HEAD = """\
# Configuration

A setting is what a flag says; else an environment variable; else the configuration file; else its
default. `imgfetch config` shows each with where it comes from.

The file is `--config`, or `IMGFETCH_CONFIG`; else `imgfetch/config.toml` in `$XDG_CONFIG_HOME` or
`~/.config`, or `/etc/imgfetch/config.toml`. It is TOML, with the keys below; a
[schema](json.md#config-file) says what each may be:

```toml
store = "/srv/images"
store_ro = ["/mnt/images"]
network = "none"
retries = 5
```

| key | flag | variable | default |
|---|---|---|---|
"""

_TAIL = """
Registries are configured where other tools look too: `registries.conf`, `certs.d`, `hosts.toml`,
and the files with credentials of docker and podman. See [mirrors](../how-to/mirrors.md).

Other variables: `NO_COLOR`; `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`; `SSL_CERT_FILE`
or `REQUESTS_CA_BUNDLE` in place of the system's authorities; `DOCKER_CONFIG` and
`DOCKER_AUTH_CONFIG`.
"""


def page() -> str:
    """The whole page."""
    known = {name for option in flags.GLOBAL for name in option.names}
    rows = []
    for key, setting in SETTINGS.items():
        flag = f"--{key.replace('_', '-')}"
        of_some = "" if flag in known else " (of some commands)"
        shown = f"`{flag}`{of_some}" if key not in _NO_FLAG else ""
        variable = f"`{setting.environment}`" if setting.environment else ""
        default = _DEFAULTS.get(key) or _value(setting.default)
        rows.append(f"| `{key}` | {shown} | {variable} | {default} |\n")
    return _HEAD + "".join(rows) + _TAIL


# Said in the file only.
_NO_FLAG = frozenset({"token_hosts"})

# Found when they are needed.
_DEFAULTS = {
    "store": "`/var/lib/imgfetch` as root, else `imgfetch` in `$XDG_DATA_HOME` or `~/.local/share`",
    "platform": "this machine's",
    "runtime": "`runc`, else `crun`",
    "authfile": "docker's and podman's files",
}


def _value(default: object) -> str:
    """A default as the file would have it."""
    if default is None or default == ():
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
