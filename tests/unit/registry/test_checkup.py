"""What ``doctor`` says about registries, and what it keeps to itself."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from imgfetch.findings import Finding
from imgfetch.registry import checkup
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.credentials import configured
from imgfetch.registry.settings import RegistrySettings
from tests.support.registry_content import demanding
from tests.support.registry_server import Answer
from tests.support.registry_world import World

SECRET = "s3cret-and-more"  # a name and a password, as in files
BASIC = f"Basic {base64.b64encode(f'alice:{SECRET}'.encode()).decode()}"


def now() -> Answer:
    """An answer by a server whose clock is right; the suite takes longer than clocks may be off."""
    return Answer(headers={"Date": formatdate(usegmt=True)})


def look(world: World, settings: RegistrySettings | None = None) -> list[Finding]:
    def make(settings: RegistrySettings) -> RegistryClient:
        own = replace(settings, ca_file=world.ca_file)
        return RegistryClient(own, clock=world.clock, dialer=world.names)

    return list(checkup.registry("registry.test", settings or RegistrySettings(), make))


def with_password(directory: Path) -> RegistrySettings:
    file = directory / "auth.json"
    file.write_text(json.dumps({"auths": {"registry.test": {"auth": BASIC.split()[1]}}}))
    return RegistrySettings(credentials=configured({}, home=directory, authfile=file))


def test_one_that_answers_is_ok(world: World) -> None:
    world.host("registry.test", {"GET /v2/": now()})
    (found,) = look(world)
    assert found.state == "ok"
    assert found.found == (
        "registry.test without credentials: answers, and is not asked for credentials"
        " (https://registry.test)"
    )


def test_credentials_are_tried_and_told_by_name(world: World, tmp_path: Path) -> None:
    world.host("registry.test", {"GET /v2/": demanding(now(), BASIC, 'Basic realm="r"')})
    (found,) = look(world, with_password(tmp_path))
    assert found.state == "ok"
    assert "registry.test as alice (" in found.found
    assert "is allowed in" in found.found
    assert SECRET not in repr(found)


def test_refused_credentials_are_missing_and_block_nothing(world: World, tmp_path: Path) -> None:
    world.host("registry.test", {"GET /v2/": demanding(now(), "other", 'Basic realm="r"')})
    (found,) = look(world, with_password(tmp_path))
    assert (found.state, found.blocks) == ("missing", False)
    assert "as alice" in found.found
    assert "refused" in found.found
    assert SECRET not in repr(found)


def test_one_that_does_not_answer_is_asked_once(world: World) -> None:
    (found,) = look(world)
    assert found.state == "missing"
    assert found.remedy is not None
    assert world.clock.slept == []


def test_a_wrong_clock_is_told(world: World) -> None:
    """R011."""
    late = Answer(headers={"Date": formatdate(time.time() - 7200, usegmt=True)})
    world.host("registry.test", {"GET /v2/": late})
    _, found = look(world)
    assert (found.check, found.state) == ("clock", "warning")
    assert "seconds ahead of registry.test's" in found.found


def test_a_clock_before_the_installation_is_wrong() -> None:
    assert checkup.clock(1_800_000_000, 1_790_000_000).state == "ok"
    assert checkup.clock(0, 1_790_000_000).state == "warning"
    assert checkup.clock(1_780_000_000, 1_790_000_000).state == "warning"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "none"),
        (
            {"https_proxy": f"http://me:{SECRET}@proxy:3128/x", "no_proxy": "a,b"},
            "https: http://proxy:3128; no: a,b",
        ),
        ({"https_proxy": f"http://me:a/{SECRET}/@proxy:3128"}, "https: http://proxy:3128"),
        ({"http_proxy": f"me:{SECRET}@proxy"}, "http: proxy"),
    ],
)
def test_proxies_are_shown_without_their_passwords(environment: dict[str, str], said: str) -> None:
    assert checkup.proxies(environment).found == said


def test_authorities_are_counted_or_missed(world: World) -> None:
    """R037."""
    one = checkup.authorities({"SSL_CERT_FILE": str(world.ca_file)})
    assert (one.state, one.found) == ("ok", f"1 in {world.ca_file}")
    none = checkup.authorities({"SSL_CERT_FILE": "/no/such"})
    assert none.state == "missing"
    assert "/no/such" in none.found


def test_broken_files_are_named_with_the_line(tmp_path: Path) -> None:
    directory = tmp_path / ".config/containers"
    directory.mkdir(parents=True)
    (directory / "registries.conf").write_text("\n\n[[registry]\n")
    (found,) = checkup.files({}, str(tmp_path))
    assert found.state == "missing"
    assert f"{directory}/registries.conf" in found.found
    assert "line 3" in found.found


def test_the_registries_of_files_are_known_but_for_those_blocked(tmp_path: Path) -> None:
    directory = tmp_path / ".config/containers"
    directory.mkdir(parents=True)
    (directory / "registries.conf").write_text(
        '[[registry]]\nprefix = "a.example/team"\nlocation = "mirror.example/team"\n'
        '[[registry]]\nprefix = "*.b.example"\n'
        '[[registry]]\nprefix = "c.example"\nblocked = true\n'
    )
    from imgfetch.registry import configuration

    (found,) = checkup.files({}, str(tmp_path))
    assert found.state == "ok"
    assert checkup.configured(configuration.settings({}, tmp_path)) == {"a.example"}
