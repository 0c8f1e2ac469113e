"""A closed JSON schema of the runtime specifications that this project writes.

From runtime-spec config.md and config-linux.md. The specification's own schema leaves every
object open, so a misspelt field passes it; here a field that is not named is an error.
"""

from __future__ import annotations

from typing import Any

import jsonschema

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "pattern": "^[^\\x00]*$"}
_PATH: Schema = {"type": "string", "pattern": "^/[^\\x00]*$"}
_FLAG: Schema = {"type": "boolean"}
_UINT32: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_UINT64: Schema = {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_MAP: Schema = {"type": "object", "additionalProperties": _TEXT}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _word(*words: str) -> Schema:
    return {"enum": list(words)}


_CAPABILITIES = _list({"type": "string", "pattern": "^CAP_[A-Z_]+$"})
_USER = _object(
    {"uid": _UINT32, "gid": _UINT32}, {"umask": _UINT32, "additionalGids": _list(_UINT32, 1)}
)
_RLIMIT = _object(
    {"type": {"type": "string", "pattern": "^RLIMIT_[A-Z]+$"}, "soft": _UINT64, "hard": _UINT64}
)
_PROCESS = _object(
    {
        "args": _list(_TEXT, 1),
        "cwd": _PATH,
        "env": _list({"type": "string", "pattern": "^[^=\\x00]+=[^\\x00]*$"}),
        "user": _USER,
        "capabilities": _object(
            {
                "bounding": _CAPABILITIES,
                "effective": _CAPABILITIES,
                "permitted": _CAPABILITIES,
                "inheritable": {"const": []},
                "ambient": {"const": []},
            }
        ),
    },
    {
        "terminal": _FLAG,
        "noNewPrivileges": _FLAG,
        "consoleSize": _object({"height": _UINT64, "width": _UINT64}),
        "rlimits": _list(_RLIMIT, 1),
        "apparmorProfile": _TEXT,
        "oomScoreAdj": {"type": "integer", "minimum": -1000, "maximum": 1000},
    },
)
_MOUNT = _object({"destination": _PATH, "type": _TEXT, "source": _TEXT, "options": _TEXTS})
_DEVICE_NUMBERS = {"type": _word("a", "b", "c"), "major": _INT64, "minor": _INT64}
_RESOURCES = _object(
    {},
    {
        "devices": _list(
            _object(
                {"allow": _FLAG, "access": _word("rwm", "r", "w", "m", "rw", "rm", "wm")},
                _DEVICE_NUMBERS,
            )
        ),
        "memory": _object({}, {"limit": _INT64, "swap": _INT64, "reservation": _INT64}),
        "cpu": _object(
            {},
            {"shares": _UINT64, "quota": _INT64, "period": _UINT64, "cpus": _TEXT, "mems": _TEXT},
        ),
        "pids": _object({"limit": _INT64}),
    },
)
_ACTION = _word(
    *("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS"),
    *("SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"),
)
_COMPARISON = _word(
    *(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
)
SECCOMP = _object(
    {
        "defaultAction": _ACTION,
        "architectures": _list({"type": "string", "pattern": "^SCMP_ARCH_[A-Z0-9_]+$"}),
        "syscalls": _list(
            _object(
                {"names": _list(_TEXT, 1), "action": _ACTION},
                {
                    "errnoRet": _UINT32,
                    "args": _list(
                        _object(
                            {"index": _UINT32, "value": _UINT64, "op": _COMPARISON},
                            {"valueTwo": _UINT64},
                        )
                    ),
                },
            )
        ),
    },
    {"defaultErrnoRet": _UINT32, "flags": _TEXTS, "listenerPath": _TEXT, "listenerMetadata": _TEXT},
)
_IDS = _list(_object({"containerID": _UINT32, "hostID": _UINT32, "size": _UINT32}), 1)
_LINUX = _object(
    {
        "namespaces": _list(
            _object({"type": _word("mount", "pid", "network", "uts", "ipc", "user", "cgroup")}), 1
        ),
        "maskedPaths": _list(_PATH),
        "readonlyPaths": _list(_PATH),
    },
    {
        "uidMappings": _IDS,
        "gidMappings": _IDS,
        "devices": _list(
            _object(
                {"path": _PATH, **_DEVICE_NUMBERS},
                {
                    "fileMode": {"type": "integer", "minimum": 0, "maximum": 0o777},
                    "uid": _UINT32,
                    "gid": _UINT32,
                },
            )
        ),
        "resources": _RESOURCES,
        "cgroupsPath": _PATH,
        "seccomp": SECCOMP,
        "sysctl": _MAP,
    },
)
SPEC = _object(
    {
        "ociVersion": {"const": "1.0.2"},
        "process": _PROCESS,
        "root": _object({"path": {"type": "string", "minLength": 1}, "readonly": _FLAG}),
        "mounts": _list(_MOUNT),
        "annotations": _MAP,
        "linux": _LINUX,
    },
    {"hostname": {"type": "string", "minLength": 1, "maxLength": 64}},
)
_VALIDATOR = jsonschema.Draft202012Validator(SPEC)


def check_spec(document: dict[str, Any]) -> None:
    """Fails when a specification is not one that this project may write."""
    _VALIDATOR.validate(document)
