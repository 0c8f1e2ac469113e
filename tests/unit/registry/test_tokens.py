"""Token servers in all their variants."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from imgfetch.errors import AuthenticationError, NotFoundError, RateLimitError, RegistryError
from imgfetch.oci.reference import Reference
from imgfetch.registry.secret import Credential
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, blob, demanding, read
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import Passwords, World

ALICE = Credential("alice", "s3cret")
MANIFEST = "GET /v2/app/manifests/1"
LAYER = f"GET {IMAGE.layer_path()}"
SCOPE = "repository:app:pull"
CHALLENGE = f'Bearer realm="https://registry.test/token",service="svc",scope="{SCOPE}"'


def source(world: World, credential: Credential | None = None) -> RegistrySource:
    table = {"registry.test": credential} if credential else {}
    client = world.client(credentials=Passwords(table))
    return client.source(Reference.parse("registry.test/app:1"))


def query(seen: Seen) -> dict[str, list[str]]:
    return parse_qs(urlsplit(seen.target).query)


def form(seen: Seen) -> dict[str, list[str]]:
    return parse_qs(seen.body.decode())


def token(value: str = "t", **more: object) -> Answer:
    return Answer(200, json.dumps({"token": value, **more}).encode())


def registry(
    world: World,
    tokens: Responder,
    *,
    challenge: str = CHALLENGE,
    wanted: str = "Bearer t",
    more: dict[str, Responder] | None = None,
) -> ScriptedServer:
    routes: dict[str, Responder] = {
        MANIFEST: demanding(IMAGE.manifest_answer(), wanted, challenge),
        LAYER: demanding(blob(IMAGE.layer), wanted, challenge),
        "* /token": tokens,
    }
    return world.host("registry.test", (more or {}) | routes)


def test_an_anonymous_token_is_asked_for_the_challenges_scope(world: World) -> None:
    server = registry(world, token())
    source(world).resolve()
    (asked,) = server.asked("* /token")
    assert asked.method == "GET"
    assert asked.authorization is None
    assert query(asked) == {"service": ["svc"], "scope": [SCOPE]}


def test_a_password_goes_to_the_token_server_and_never_to_the_registry(world: World) -> None:
    server = registry(world, token())
    source(world, ALICE).resolve()
    (asked,) = server.asked("* /token")
    assert asked.authorization == ALICE.basic()
    assert query(asked)["account"] == ["alice"]
    assert {seen.authorization for seen in server.asked(MANIFEST)} == {None, "Bearer t"}


def test_a_token_serves_further_requests(world: World) -> None:
    server = registry(world, token())
    image = source(world)
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    assert len(server.asked("* /token")) == 1
    assert [seen.authorization for seen in server.asked(LAYER)] == ["Bearer t"]


def test_r002_a_401_without_a_challenge_leads_to_the_registrys_root(world: World) -> None:
    ping = Answer(401, b"", {"WWW-Authenticate": CHALLENGE})

    def manifest(seen: Seen) -> Answer:
        return IMAGE.manifest_answer() if seen.authorization == "Bearer t" else Answer(401)

    server = world.host(
        "registry.test", {MANIFEST: manifest, "GET /v2/": ping, "GET /token": token()}
    )
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert len(server.asked("GET /v2/")) == 1


@pytest.mark.parametrize(
    ("parameters", "scopes"),
    [
        ('scope="aws"', [SCOPE, "aws"]),
        ('scope=""', [SCOPE]),
        ("", [SCOPE]),
        (f'scope="{SCOPE}"', [SCOPE]),
        (f'scope="{SCOPE} repository:base:pull"', [SCOPE, "repository:base:pull"]),
        ('scope="repository:app:pull,push"', [SCOPE, "repository:app:pull,push"]),
    ],
)
def test_r003_the_needed_scope_comes_first_and_the_challenges_as_they_are(
    world: World, parameters: str, scopes: list[str]
) -> None:
    server = registry(world, token(), challenge=f'Bearer realm="/token",{parameters}')
    source(world).resolve()
    (asked,) = server.asked("* /token")
    assert query(asked) == {"scope": scopes}


def test_r004_a_further_scope_is_asked_for_once(world: World) -> None:
    more = 'Bearer realm="/token",error="insufficient_scope",scope="repository:base:pull"'

    def manifest(seen: Seen) -> Answer:
        if seen.authorization == "Bearer wide":
            return IMAGE.manifest_answer()
        challenge = more if seen.authorization else CHALLENGE
        return Answer(401, b"", {"WWW-Authenticate": challenge})

    def tokens(seen: Seen) -> Answer:
        return token("wide" if len(query(seen)["scope"]) == 2 else "narrow")

    server = world.host("registry.test", {MANIFEST: manifest, "GET /token": tokens})
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert len(server.asked("GET /token")) == 2
    assert len(server.asked(MANIFEST)) == 3


def test_r004_a_registry_that_always_wants_more_is_given_up(world: World) -> None:
    numbers = itertools.count()

    def manifest(_: Seen) -> Answer:
        challenge = f'Bearer realm="/token",scope="repository:x{next(numbers)}:pull"'
        return Answer(401, b"", {"WWW-Authenticate": challenge})

    server = world.host("registry.test", {MANIFEST: manifest, "GET /token": token()})
    with pytest.raises(NotFoundError):
        source(world).resolve()
    assert len(server.asked(MANIFEST)) <= 3


@pytest.mark.parametrize(
    "body",
    [
        {"token": "t"},
        {"access_token": "t"},
        {"token": "t", "access_token": "t"},
        {"token": "", "access_token": "t"},
        {"token": None, "access_token": "t"},
        {"token": "t", "expires_in": 0},
        {"token": "t", "expires_in": "300"},
        {"token": "t", "expires_in": -5, "issued_at": "yesterday"},
        {"token": "t", "expires_in": [], "issued_at": 7},
    ],
    ids=str,
)
def test_r005_either_key_and_any_lifetime_will_do(world: World, body: dict[str, object]) -> None:
    registry(world, Answer(200, json.dumps(body).encode()))
    assert source(world).resolve().descriptor == IMAGE.descriptor


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>" + b"x" * 500, b'{"token": 7}', b'{"token":"a\\r\\nb"}', b"[]"]
)
def test_r005_an_answer_without_a_token_is_an_error_that_shows_little(
    world: World, body: bytes
) -> None:
    registry(world, Answer(200, body))
    with pytest.raises(AuthenticationError, match="token server") as caught:
        source(world).resolve()
    assert len(caught.value.actual or "") <= 50


@pytest.mark.parametrize(("lifetime", "kept"), [(None, 50), (0, 50), (300, 290), ("301", 290)])
def test_r005_a_token_is_kept_for_a_minute_at_least(
    world: World, lifetime: object, kept: int
) -> None:
    server = registry(world, token(expires_in=lifetime))
    image = source(world)
    image.resolve()
    world.clock.advance(kept)
    image.resolve()
    assert len(server.asked("* /token")) == 1
    world.clock.advance(20)
    image.resolve()
    assert len(server.asked("* /token")) == 2


IDENTITY = Credential("", "", identity_token="refresh-me")


def test_r007_an_identity_token_is_exchanged_by_post(world: World) -> None:
    server = registry(world, Answer(200, b'{"access_token":"t"}'))
    assert source(world, IDENTITY).resolve().descriptor == IMAGE.descriptor
    (asked,) = server.asked("* /token")
    assert asked.method == "POST"
    assert asked.authorization is None
    assert form(asked) == {
        "grant_type": ["refresh_token"],
        "service": ["svc"],
        "client_id": ["imgfetch"],
        "scope": [SCOPE],
        "refresh_token": ["refresh-me"],
    }


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_r006_servers_that_know_no_post_are_asked_by_get(world: World, status: int) -> None:
    def tokens(seen: Seen) -> Answer:
        return Answer(status) if seen.method == "POST" else token()

    server = registry(world, tokens)
    assert source(world, IDENTITY).resolve().descriptor == IMAGE.descriptor
    assert [seen.method for seen in server.asked("* /token")] == ["POST", "GET"]
    expected = base64.b64encode(b"<token>:refresh-me").decode()
    assert server.asked("GET /token")[0].authorization == f"Basic {expected}"


def test_r007_a_registry_token_is_sent_as_it_is(world: World) -> None:
    server = registry(world, Answer(500), wanted="Bearer raw")
    credential = Credential(registry_token="raw")
    assert source(world, credential).resolve().descriptor == IMAGE.descriptor
    assert server.asked("* /token") == []


def test_r007_a_refused_registry_token_is_not_sent_again(world: World) -> None:
    server = registry(world, Answer(500))
    with pytest.raises(NotFoundError):
        source(world, Credential(registry_token="raw")).resolve()
    assert len(server.asked(MANIFEST)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        ["Basic realm=x", CHALLENGE],
        [f"Basic realm=x, {CHALLENGE}"],
        [f"Negotiate, {CHALLENGE}"],
        [f"Negotiate YWJj==, {CHALLENGE}"],
        [CHALLENGE.replace("Bearer", "bearer")],
        ["Bearer realm=/token"],
        ['Bearer realm="/token", error=""'],
        ['bearer   Realm = "/token" , SERVICE="a, b"'],
    ],
    ids=str,
)
def test_r008_challenges_come_in_many_forms(world: World, headers: list[str]) -> None:
    def manifest(seen: Seen) -> Answer:
        if seen.authorization == "Bearer t":
            return IMAGE.manifest_answer()
        return Answer(401, b"", {"WWW-Authenticate": headers})

    world.host("registry.test", {MANIFEST: manifest, "GET /token": token()})
    assert source(world).resolve().descriptor == IMAGE.descriptor


def test_r009_a_token_that_expires_on_the_way_is_renewed_once(world: World) -> None:
    valid = "one"

    def needs(responder: Callable[[Seen], Answer]) -> Callable[[Seen], Answer]:
        def answer(seen: Seen) -> Answer:
            return demanding(responder, f"Bearer {valid}", CHALLENGE)(seen)

        return answer

    server = world.host(
        "registry.test",
        {
            MANIFEST: needs(lambda _: IMAGE.manifest_answer()),
            LAYER: needs(blob(IMAGE.layer)),
            "GET /token": lambda _: token(valid),
        },
    )
    image = source(world)
    image.resolve()
    valid = "two"
    assert read(image.fetch(IMAGE.layer_descriptor), 1000) == IMAGE.layer[1000:]
    assert len(server.asked("GET /token")) == 2
    assert [seen.headers["range"] for seen in server.asked(LAYER)] == ["bytes=1000-"] * 2


def test_r009_a_token_that_expires_while_waiting_is_renewed(world: World) -> None:
    tokens = iter(["one", "two"])
    answers = iter([Answer(503, b"", {"Retry-After": "60"}), IMAGE.manifest_answer()])
    sent: list[str | None] = []

    def manifest(seen: Seen) -> Answer:
        sent.append(seen.authorization)
        if seen.authorization is None:
            return Answer(401, b"", {"WWW-Authenticate": CHALLENGE})
        return next(answers)

    world.host("registry.test", {MANIFEST: manifest, "GET /token": lambda _: token(next(tokens))})
    source(world).resolve()
    assert sent == [None, "Bearer one", "Bearer two"]


def test_r010_workers_that_are_refused_at_once_share_one_token(world: World) -> None:
    workers = 8
    together = threading.Barrier(workers)

    def layer(seen: Seen) -> Answer:
        if seen.authorization is None:
            together.wait(10)
        return demanding(blob(IMAGE.layer), "Bearer t", CHALLENGE)(seen)

    server = world.host("registry.test", {LAYER: layer, "GET /token": token()})
    image = source(world)
    received: list[bytes] = []

    def fetch() -> None:
        received.append(read(image.fetch(IMAGE.layer_descriptor)))

    threads = [threading.Thread(target=fetch) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert received == [IMAGE.layer] * workers
    assert len(server.asked("GET /token")) == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_r011_clocks_that_differ_do_not_matter(world: World, hours: int) -> None:
    world.clock.now += hours * 3600
    server = registry(world, token(expires_in=300, issued_at="2020-09-13T12:26:40Z"))
    image = source(world)
    image.resolve()
    image.resolve()
    assert len(server.asked("* /token")) == 1


def test_r038_a_wrong_password_is_told_at_once(world: World) -> None:
    body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}).encode()
    server = registry(world, Answer(401, body))
    with pytest.raises(AuthenticationError, match=r"'alice'.*wrong password") as caught:
        source(world, ALICE).resolve()
    assert "s3cret" not in "".join(caught.value.lines())
    assert len(server.asked("* /token")) == 1
    assert world.clock.slept == []


def test_r038_a_wrong_basic_password_is_told_at_once(world: World) -> None:
    server = registry(world, token(), challenge='Basic realm="r"', wanted="nothing at all")
    with pytest.raises(AuthenticationError, match="refused the credentials of 'alice'"):
        source(world, ALICE).resolve()
    assert len(server.asked(MANIFEST)) == 2


def test_a_registry_that_wants_a_password_says_so(world: World) -> None:
    registry(world, token(), challenge='Basic realm="r"')
    with pytest.raises(AuthenticationError, match="name and a password") as caught:
        source(world).resolve()
    assert caught.value.hint == "imgfetch login registry.test"


def test_a_token_server_that_is_down_for_a_moment_is_asked_again(world: World) -> None:
    server = registry(world, [Answer(503), token()])
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert len(server.asked("* /token")) == 2


@pytest.mark.parametrize(
    ("answer", "error"), [(Answer(500), RegistryError), (Answer(429), RateLimitError)]
)
def test_a_token_server_that_stays_down_is_an_error(
    world: World, answer: Answer, error: type[Exception]
) -> None:
    registry(world, answer)
    with pytest.raises(error, match="token server"):
        source(world).resolve()


def test_credentials_are_looked_up_for_the_repository(world: World) -> None:
    routes: dict[str, Responder] = {
        f"GET /v2/{name}/manifests/1": demanding(
            IMAGE.manifest_answer(), credential.basic(), 'Basic realm="r"'
        )
        for name, credential in (("team/app", Credential("team", "1")), ("app", ALICE))
    }
    world.host("registry.test", routes)
    table = {"registry.test": ALICE, "registry.test/team/app": Credential("team", "1")}
    client = world.client(credentials=Passwords(table))
    for name in ("team/app", "app", "team/app"):
        client.source(Reference.parse(f"registry.test/{name}:1")).resolve()
