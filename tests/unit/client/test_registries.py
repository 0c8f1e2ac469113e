"""Policies, settings and credentials on the way to a registry, through the command line."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commandline import CommandLine
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.registry_content import demanding
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen


@dataclass(slots=True)
class Registry:
    """A registry with one image, which may change."""

    server: ScriptedServer
    layout: Path
    image: WrittenImage

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server.port}/app:1"

    @property
    def pinned(self) -> str:
        return f"127.0.0.1:{self.server.port}/app@{self.image.digest}"

    def publish(self, text: str) -> None:
        """Lets the tag stand for another image."""
        self.image = ImageBuilder().layer({"a": File(text)}).write(self.layout, "app")
        self.server.routes.update(routes(self.layout, self.image))

    def asked(self) -> list[str]:
        """What it was asked for since the last time, without the check of its version."""
        asked = [str(seen) for seen in self.server.seen if seen.path != "/v2/"]
        self.server.seen.clear()
        return asked


def routes(layout: Path, image: WrittenImage) -> dict[str, Responder]:
    def blob(encoded: str) -> bytes:
        return (layout / "blobs/sha256" / encoded).read_bytes()

    answers: dict[str, Responder] = {"GET /v2/": Answer()}
    media_type = {"Content-Type": image.descriptor.media_type}
    manifest = Answer(200, blob(image.digest.encoded), media_type)
    for reference in ("1", str(image.digest)):
        answers[f"GET /v2/app/manifests/{reference}"] = manifest
    for descriptor in (image.config, *image.layers):
        answers[f"GET /v2/app/blobs/{descriptor.digest}"] = Answer(
            200, blob(descriptor.digest.encoded)
        )
    return answers


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("1")}).write(layout, "app")
    with ScriptedServer(routes(layout, image)) as server:
        yield Registry(server, layout, image)


def pinned(command_line: CommandLine, registry: Registry, *words: str) -> str:
    (line,) = command_line("-q", "pull", *words, registry.name).succeeded().lines
    return line


def test_pull_asks_for_what_is_newer_unless_told_otherwise(
    command_line: CommandLine, registry: Registry
) -> None:
    assert pinned(command_line, registry) == registry.pinned
    registry.publish("2")
    assert pinned(command_line, registry) == registry.pinned
    assert registry.asked()


@pytest.mark.parametrize("policy", ["missing", "never"])
def test_what_is_there_is_not_asked_for(
    command_line: CommandLine, registry: Registry, policy: str
) -> None:
    first = pinned(command_line, registry)
    registry.publish("2")
    registry.asked()
    assert pinned(command_line, registry, "--policy", policy) == first
    assert registry.asked() == []


@pytest.mark.parametrize("policy", ["always", "newer"])
def test_an_image_that_is_there_is_asked_for_and_not_fetched_again(
    command_line: CommandLine, registry: Registry, policy: str
) -> None:
    first = pinned(command_line, registry)
    registry.asked()
    assert pinned(command_line, registry, "--policy", policy) == first
    assert not any("/blobs/" in request for request in registry.asked())


def test_always_fails_without_an_answer_and_newer_makes_do(
    command_line: CommandLine, registry: Registry
) -> None:
    first = pinned(command_line, registry)
    registry.server.routes["GET /v2/app/manifests/1"] = Answer(500)
    words = ["pull", "--retries", "0", registry.name]
    command_line("-q", *words, "--policy", "always").failed(6)
    said = command_line("--progress", "none", *words, "--policy", "newer").succeeded()
    assert said.lines == [first]
    assert "using what is in the store" in said.err


def test_never_does_not_ask_for_what_is_missing(
    command_line: CommandLine, registry: Registry
) -> None:
    command_line("-q", "pull", "--policy", "never", registry.name).failed(11)
    command_line("-q", "--offline", "pull", registry.name).failed(11)
    assert registry.server.seen == []


def test_a_digest_needs_nobody_once_it_is_there(
    command_line: CommandLine, registry: Registry
) -> None:
    command_line("-q", "pull", registry.pinned).succeeded()
    registry.asked()
    assert command_line("-q", "pull", registry.pinned).succeeded().lines == [registry.pinned]
    command_line("inspect", registry.pinned).succeeded()
    assert registry.asked() == []
    assert command_line("resolve", registry.pinned).succeeded().lines == [registry.pinned]


def test_unpack_gives_what_it_fetches_a_name(command_line: CommandLine, registry: Registry) -> None:
    command_line("-q", "unpack", registry.name, "bundle").succeeded()
    (row,) = command_line("images").lines[1:]
    assert row.startswith(registry.name)
    registry.publish("2")
    command_line("-q", "unpack", "--pull", "newer", registry.name, "again").succeeded()
    (image,) = command_line("images", "--format", "json").json
    assert image["digest"] == str(registry.image.digest)


def test_inspect_and_resolve_of_a_registry_store_nothing(
    command_line: CommandLine, registry: Registry
) -> None:
    command_line("inspect", registry.name).succeeded()
    command_line("resolve", registry.name).succeeded()
    assert not command_line.store.exists()
    assert not any(str(registry.image.layers[0].digest) in asked for asked in registry.asked())


def test_inspect_shows_what_is_stored_without_asking(
    command_line: CommandLine, registry: Registry
) -> None:
    pinned(command_line, registry)
    registry.asked()
    command_line("inspect", registry.name).succeeded()
    assert registry.asked() == []


def test_credentials_are_for_the_registry_that_was_named(
    command_line: CommandLine, registry: Registry
) -> None:
    secret = base64.b64encode(b"me:se:cret").decode()
    realm = Answer(401, headers={"WWW-Authenticate": 'Basic realm="test"'})
    answers = dict(registry.server.routes)

    def guarded(path: str, answer: Responder) -> Responder:
        def respond(seen: Seen) -> Answer:
            assert isinstance(answer, Answer)
            return answer if seen.authorization == f"Basic {secret}" else realm

        return respond

    registry.server.routes.update({path: guarded(path, a) for path, a in answers.items()})
    said = command_line("-q", "pull", registry.name).failed(8)
    command_line("-q", "pull", "--creds", "me:wrong", registry.name).failed(8)
    said = command_line("-q", "pull", "--creds", "me:se:cret", registry.name).succeeded()
    assert said.lines == [registry.pinned]
    assert secret not in said.err


def test_s006_a_token_server_elsewhere_gets_the_password_if_the_user_says_so(
    command_line: CommandLine, registry: Registry, tmp_path: Path
) -> None:
    def token(seen: Seen) -> Answer:
        return Answer(200, b'{"token":"good"}' if seen.authorization else b'{"token":"bad"}')

    with ScriptedServer({"GET /t": token}) as server:
        host = f"localhost:{server.port}"
        challenge = f'Bearer realm="http://{host}/t"'
        for path, answer in registry.server.routes.items():
            registry.server.routes[path] = demanding(answer, "Bearer good", challenge)
        words = ["-q", "pull", "--creds", "me:secret", registry.name]
        hint = f'token_hosts = ["{registry.server.host}={host}"]'
        assert hint in command_line(*words).failed(7).err
        assert [seen.authorization for seen in server.seen] == [None]
        (tmp_path / "config.toml").write_text(hint, "utf-8")
        command_line("--config", str(tmp_path / "config.toml"), *words).succeeded()
        assert server.seen[-1].authorization is not None


def test_a_blob_that_is_something_else_is_4_and_gets_no_name(
    command_line: CommandLine, registry: Registry
) -> None:
    layer = registry.image.layers[0]
    registry.server.routes[f"GET /v2/app/blobs/{layer.digest}"] = Answer(200, b"x" * layer.size)
    said = command_line("-q", "pull", "--retries", "0", registry.name).failed(4)
    assert str(layer.digest) in said.err
    assert command_line("images").lines[1:] == []
