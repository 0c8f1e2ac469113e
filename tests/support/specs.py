"""Values for tests of bundles: a machine, an image's config, a specification made of them."""

from __future__ import annotations

import json
from typing import Any

from imgfetch.bundle.capabilities import CAPABILITIES
from imgfetch.bundle.host import HostFacts, Place
from imgfetch.bundle.options import RunOptions
from imgfetch.bundle.spec import RuntimeSpec, runtime_spec
from imgfetch.bundle.users import ResolvedUser
from imgfetch.fs.idmap import IdMapping, IdRange
from imgfetch.oci.config import ImageConfig

ALL_IDS = IdMapping((IdRange(0, 0, 2**32 - 1),), (IdRange(0, 0, 2**32 - 1),))
SUBIDS = IdMapping(
    (IdRange(0, 1000, 1), IdRange(1, 100000, 65536)),
    (IdRange(0, 1000, 1), IdRange(1, 100000, 65536)),
)
ONE_ID = IdMapping((IdRange(0, 1000, 1),), (IdRange(0, 1000, 1),))

PLACE = Place("0123456789abcdef" * 4)


def image_config(config: dict[str, Any] | None = None, **top: object) -> ImageConfig:
    """An image's config with ``config`` as its inner object; ``Cmd`` is ``sh`` by default."""
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": []},
        "config": {"Cmd": ["sh"], **(config or {})},
        **top,
    }
    return ImageConfig.from_json(json.dumps(document).encode())


def root_host(**facts: object) -> HostFacts:
    """A machine on which we are root, with cgroup v1."""
    usual: dict[str, Any] = {
        "kernel": "6.18.44",
        "architecture": "amd64",
        "capabilities": frozenset(CAPABILITIES),
        "ids": ALL_IDS,
        "cgroup_version": 1,
        "controllers": frozenset({"memory", "cpu", "cpuset", "pids"}),
        "hostname": "machine",
    }
    return HostFacts(**(usual | facts))


def rootless_host(ids: IdMapping = SUBIDS, **facts: object) -> HostFacts:
    """A machine on which we are an ordinary user, in a user namespace of our own."""
    usual: dict[str, object] = {
        "ids": ids,
        "rootless": True,
        "cgroup_version": None,
        "controllers": frozenset[str](),
    }
    return root_host(**(usual | facts))


def make_spec(
    options: RunOptions | None = None,
    *,
    image: ImageConfig | None = None,
    host: HostFacts | None = None,
    user: ResolvedUser | None = None,
    place: Place = PLACE,
    seccomp: dict[str, Any] | None = None,
) -> RuntimeSpec:
    """A specification, of which a test says only what it is about."""
    return runtime_spec(
        image or image_config(),
        options or RunOptions(),
        host or root_host(),
        user or ResolvedUser(),
        place,
        seccomp=seccomp,
    )


def environment(spec: RuntimeSpec) -> dict[str, str]:
    """The environment of a specification's process."""
    pairs = (entry.partition("=") for entry in spec.document["process"]["env"])
    return {name: value for name, _, value in pairs}


def mount_at(spec: RuntimeSpec, destination: str) -> dict[str, Any]:
    """The one mount of a specification that has a destination."""
    (mount,) = [m for m in spec.document["mounts"] if m["destination"] == destination]
    assert isinstance(mount, dict)
    return mount


def destinations(spec: RuntimeSpec) -> list[str]:
    """Where the mounts of a specification go, in order."""
    return [mount["destination"] for mount in spec.document["mounts"]]
