"""What registries answer when something is wrong, and what a person is told."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from imgfetch.errors import (
    AuthenticationError,
    ImgfetchError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    RegistryError,
)
from imgfetch.oci.reference import Reference
from imgfetch.registry.settings import RetryPolicy
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE
from tests.support.registry_server import Answer, Responder, ScriptedServer
from tests.support.registry_world import World

MANIFEST = "GET /v2/app/manifests/1"


def serve(world: World, answer: Responder) -> ScriptedServer:
    return world.host(
        "registry.test", {MANIFEST: answer, "GET /token": Answer(200, b'{"token":"t"}')}
    )


def source(world: World, **settings: Any) -> RegistrySource:
    return world.client(**settings).source(Reference.parse("registry.test/app:1"))


def error_of(world: World, **settings: Any) -> ImgfetchError:
    with pytest.raises(ImgfetchError) as caught:
        source(world, **settings).resolve()
    return caught.value


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


BEARER = {"WWW-Authenticate": 'Bearer realm="/token"'}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, errors("UNAUTHORIZED", "authentication required"), BEARER),
        Answer(403, errors("DENIED", "requested access is denied")),
        Answer(404, errors("MANIFEST_UNKNOWN", "manifest unknown")),
        Answer(404, errors("UNKNOWN", "artifact not found")),
        Answer(404, b"<html>not here"),
        Answer(404),
        Answer(403),
    ],
    ids=["hub", "ghcr", "distribution", "harbor", "html", "empty", "empty 403"],
)
def test_r012_missing_and_forbidden_are_one_error_told_at_once(
    world: World, answer: Answer
) -> None:
    server = serve(world, answer)
    error = error_of(world)
    assert isinstance(error, NotFoundError)
    assert (
        "registry.test/app:1 is not found at registry.test, or there is no access" in error.message
    )
    assert "imgfetch login registry.test" in (error.hint or "")
    assert len(server.asked(MANIFEST)) <= 2
    assert world.clock.slept == []


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (errors("BROKEN", "it is broken"), "BROKEN: it is broken"),
        (b'{"details":"out of order"}', "out of order"),
        (b'{"message":"out of order"}', "out of order"),
        (b'{"errors":null}', "HTTP 418"),
        (b'{"errors":[null, 7, {"code": 5}]}', "HTTP 418"),
        (b"<html><body>oops", "HTTP 418"),
        (b"", "HTTP 418"),
        (b"\xff\xfe plain", "plain"),
        (b"[" * 100_000, "HTTP 418"),
        (b"7", "HTTP 418"),
    ],
)
def test_r013_error_bodies_of_all_kinds_make_one_line(
    world: World, body: bytes, shown: str
) -> None:
    serve(world, Answer(418, body))
    error = error_of(world)
    assert isinstance(error, RegistryError)
    assert error.status == 418
    assert shown in error.message
    assert len(error.message) < 400


def test_s059_control_characters_of_error_bodies_are_escaped(world: World) -> None:
    serve(world, Answer(418, errors("X", "\x1b]0;owned\x07 a\r\nb \u202e evil \x9b")))
    message = error_of(world).message
    assert "\\x1b" in message
    assert "\\u202e" in message
    assert message.isprintable()


def test_s015_a_long_error_body_is_cut(world: World) -> None:
    serve(world, Answer(418, b"x" * (1 << 20)))
    assert len(error_of(world).message) < 400


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504, 522])
def test_r021_what_may_get_better_is_asked_again(world: World, status: int) -> None:
    server = serve(world, [Answer(status), Answer(status), IMAGE.manifest_answer()])
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert len(server.asked(MANIFEST)) == 3
    first, second = world.clock.slept
    assert 1 <= first <= 2 <= second <= 4


def test_r021_there_are_three_retries(world: World) -> None:
    server = serve(world, Answer(503))
    error = error_of(world)
    assert isinstance(error, RegistryError)
    assert error.status == 503
    assert len(server.asked(MANIFEST)) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 405, 418, 501])
def test_r021_what_stays_wrong_is_not_asked_again(world: World, status: int) -> None:
    server = serve(world, Answer(status))
    error_of(world)
    assert len(server.asked(MANIFEST)) == 1


def test_no_retries_means_none(world: World) -> None:
    server = serve(world, Answer(429))
    error_of(world, retry=RetryPolicy(retries=0))
    assert len(server.asked(MANIFEST)) == 1


@pytest.mark.parametrize(
    "broken",
    [Answer(raw=b""), Answer(200, IMAGE.manifest, cut=10), Answer(200, b"", cut=0, reset=True)],
)
def test_r021_broken_connections_are_tried_again(world: World, broken: Answer) -> None:
    server = serve(world, [broken, IMAGE.manifest_answer()])
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert len(server.asked(MANIFEST)) == 2


@pytest.mark.parametrize("raw", [b"not http\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
def test_an_answer_that_is_no_http_is_an_error_of_ours(world: World, raw: bytes) -> None:
    serve(world, Answer(raw=raw))
    assert isinstance(error_of(world), NetworkError)


def test_r021_a_name_that_does_not_exist_is_told_at_once(world: World) -> None:
    error = error_of(world)
    assert isinstance(error, NetworkError)
    assert error.message == "registry.test/app:1: the name of registry.test can't be resolved"
    assert world.clock.slept == []


def test_r021_a_port_that_nobody_listens_on_is_told_at_once(world: World) -> None:
    world.names.addresses["registry.test"] = "203.0.113.9"
    error = error_of(world)
    assert error.message == "registry.test/app:1: registry.test refuses connections"
    assert world.clock.slept == []


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("1000000000", 60, 60),
        ("9" * 5000, 60, 60),
        ("date+30", 29, 30),
        ("date-30", 0, 0),
        ("soon", 1, 2),
        ("-5", 1, 2),
        ("", 1, 2),
    ],
)
def test_r020_retry_after_is_followed_within_reason(
    world: World, header: str, least: float, most: float
) -> None:
    if header.startswith("date"):
        moment = world.clock.now + float(header.removeprefix("date"))
        header = formatdate(moment, usegmt=True)
    headers = {"Retry-After": header} if header else {}
    serve(world, [Answer(429, b"", headers), IMAGE.manifest_answer()])
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert least <= sum(world.clock.slept) <= most


def test_r020_too_many_requests_end_in_an_error_of_their_own(world: World) -> None:
    body = errors("TOOMANYREQUESTS", "You have reached your pull rate limit.")
    server = serve(world, Answer(429, body))
    error = error_of(world)
    assert isinstance(error, RateLimitError)
    assert "pull rate limit" in error.message
    assert "log in" in (error.hint or "")
    assert len(server.asked(MANIFEST)) == 6


def test_r020_waiting_altogether_has_an_end(world: World) -> None:
    serve(world, Answer(429, b"", {"Retry-After": "60"}))
    error_of(world, retry=RetryPolicy(retries=100, patience=150))
    assert sum(world.clock.slept) <= 150


def test_r020_all_workers_wait_when_one_is_told_to(world: World) -> None:
    routes: dict[str, Responder] = {
        MANIFEST: Answer(429, b"", {"Retry-After": "20"}),
        "GET /v2/app/manifests/2": IMAGE.manifest_answer(),
    }
    world.host("registry.test", routes)
    client = world.client(retry=RetryPolicy(retries=0))
    with pytest.raises(RateLimitError):
        client.source(Reference.parse("registry.test/app:1")).resolve()
    assert world.clock.slept == []
    client.source(Reference.parse("registry.test/app:2")).resolve()
    assert world.clock.slept == [20]


def test_the_class_tells_what_to_do_next(world: World) -> None:
    serve(world, Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'}))
    assert isinstance(error_of(world), AuthenticationError)
