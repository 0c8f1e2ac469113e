"""A registry that wants alice's password for everything, and a client that has it."""

from __future__ import annotations

import base64
from typing import Any

from imgfetch.oci.reference import Reference
from imgfetch.registry.secret import Credential
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, demanding
from tests.support.registry_server import Answer, Responder, ScriptedServer
from tests.support.registry_world import Passwords, World

ALICE = Credential("alice", "s3cret")
PASSWORDS = Passwords({"registry.test": ALICE})
BASIC = "Basic " + base64.b64encode(b"alice:s3cret").decode()
LAYER = f"GET {IMAGE.layer_path()}"
MANIFEST = "GET /v2/app/manifests/1"


def source(world: World, **settings: Any) -> RegistrySource:
    """The image at ``registry.test``, asked for by alice."""
    return world.client(**{"credentials": PASSWORDS, **settings}).source(
        Reference.parse("registry.test/app:1")
    )


def redirect(location: str, status: int = 307) -> Answer:
    """A redirect."""
    return Answer(status, b"", {"Location": location})


def basic_registry(world: World, more: dict[str, Responder] | None = None) -> ScriptedServer:
    """A registry that wants alice's password for everything.

    Args:
        world: where.
        more: routes besides those of a registry that has the image.
    """
    routes = IMAGE.routes() | (more or {})
    return world.host(
        "registry.test",
        {key: demanding(route, BASIC, 'Basic realm="r"') for key, route in routes.items()},
    )


def layer_behind(world: World, answer: Answer) -> ScriptedServer:
    """The same, with another answer for the layer."""
    return basic_registry(world, {LAYER: answer})


def bearer(realm: str) -> Answer:
    """A challenge that leads to a token server."""
    challenge = f'Bearer realm="{realm}",service="r",scope="repository:app:pull"'
    return Answer(401, b"", {"WWW-Authenticate": challenge})
