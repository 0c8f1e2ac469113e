"""What commands print for programs is what the schemas of the documentation say."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imgfetch.oci import mediatype
from tests.e2e.published import FOREIGN, Published, layered_builder
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch, Result
from tests.support.docker_registry import DockerRegistry
from tests.support.images import Executable, add_blob, add_document
from tests.support.upload import upload
from tests.support.users import CHECKOUT

SCHEMAS = CHECKOUT / "docs" / "reference" / "schemas"

CONFIG = """\
store_ro = ["/nowhere"]
platform = "linux/amd64"
network = "none"
rootfs_mode = "auto"
jobs = 2
plain_http = ["registry.example:5000"]
token_hosts = ["registry.example=auth.example.net"]
retries = 0
creds = "me:secret"
progress = "plain"
log_format = "text"
offline = true
quiet = false
"""


@dataclass(frozen=True, slots=True)
class World:
    """Images, a repository with something that refers to one, and a store with containers."""

    imgfetch: Imgfetch
    before: str
    after: str
    multi: str

    def json(self, *words: str, status: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """What a command prints for programs."""
        return json.loads(self.imgfetch(*words, "--format", "json").exited(status).stdout)


def check(document: object, name: str) -> None:
    """Holds a document against a schema."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def check_events(said: Result) -> list[dict[str, Any]]:
    """Holds each line of standard error against the schema; returns them."""
    events = [json.loads(line) for line in said.errors.splitlines()]
    for event in events:
        check(event, "event")
    return events


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, published: Published, registry: DockerRegistry
) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("json")
    (directory / "home").mkdir()
    imgfetch = Imgfetch(directory / "store", directory / "home")
    layout = directory / "layout"
    before = _signed(layout, registry.host)
    changed = layered_builder().config(env=["PATH=/bin", "MORE=1"], cmd=["sh", "-c", "true"])
    after = changed.layer({b"odd-\xff".decode("utf-8", "surrogateescape"): Executable("x")})
    name = upload(registry.host, layout, after.write(layout).descriptor, "test/json", "2")
    yield World(imgfetch, before, name, published.multi)
    imgfetch("rm", "-f", "web", "done").succeeded()


def _signed(layout: Path, host: str) -> str:
    """An image with a signature, at a registry that does not list what refers to an image."""
    image = busybox_builder().write(layout).descriptor
    empty = add_blob(layout, b"{}", mediatype.OCI_EMPTY)
    signature: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": "application/vnd.test.signature",
        "config": empty.to_json(),
        "layers": [empty.to_json()],
        "subject": image.to_json(),
        "annotations": {"org.example.by": "me"},
    }
    entry = add_document(layout, signature, mediatype.OCI_MANIFEST).to_json()
    entry |= {name: signature[name] for name in ("artifactType", "annotations")}
    listed = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": [entry]}
    index = add_document(layout, listed, mediatype.OCI_INDEX)
    upload(host, layout, index, "test/json", str(image.digest).replace(":", "-"))
    return upload(host, layout, image, "test/json", "1")


def test_images_and_what_is_in_them(world: World) -> None:
    fetched = world.imgfetch(
        "--progress", "json", "pull", "--unpack", world.before, world.after, world.multi
    ).succeeded()
    stages = {event["stage"] for event in check_events(fetched)}
    assert {"fetching", "done", "present", "applied"} <= stages

    images = world.json("images")
    assert len(images) == 3
    check(images, "images")
    inspected = world.json("inspect", world.before, world.multi)
    assert [image["indexDigest"] is None for image in inspected] == [True, False]
    check(inspected, "inspect")
    check(world.json("history", world.after), "history")
    tree = world.json("tree", "--files", world.after)
    assert any("rawPath" in file for file in tree["files"])
    assert any(file["fate"] for file in tree["files"])
    check(tree, "tree")
    diff = world.json("diff", world.before, world.after)
    assert diff["settings"]
    assert diff["changes"]
    check(diff, "diff")
    check(world.json("diff", "--stat", world.before, world.after), "diff")
    check(world.json("tags", world.before.rpartition(":")[0]), "tags")
    referrers = world.json("referrers", world.before)
    assert len(referrers) == 1
    check(referrers, "referrers")


def test_containers(world: World) -> None:
    result = world.imgfetch.home / "result.json"
    run = ("run", "--network", "none", "--result", str(result))
    cases: tuple[tuple[Iterable[str], int], ...] = (
        ((world.before, "true"), 0),
        (("-m", "64m", world.before, "sh", "-c", "exit 137"), 137),
        (("--user", "nobody-there", world.before, "true"), 125),
        ((world.before, "not-there"), 127),
    )
    for words, status in cases:
        world.imgfetch(*run, *words).exited(status)
        document = json.loads(result.read_bytes())
        assert (document["exit_code"], document["error"] is None) == (
            status,
            status not in {125, 127},
        )
        check(document, "result")

    detached = ("run", "-d", "--network", "none", "--label", "a=b", "--name")
    world.imgfetch(*detached, "web", world.before, "sleep", "1000").succeeded()
    world.imgfetch(*detached, "done", world.before, "true").succeeded()
    world.imgfetch("wait", "done").succeeded()
    containers = world.json("ps", "-a")
    assert {container["state"] for container in containers} == {"running", "exited"}
    check(containers, "ps")


def test_the_store_and_lock_files(world: World) -> None:
    lock_file = world.imgfetch.home / "imgfetch.lock"
    locked = world.json("lock", world.before, world.multi)
    assert [change["kind"] for change in locked] == ["added", "added"]
    check(locked, "lock")
    check(tomllib.loads(lock_file.read_text()), "lock-file")
    changed = world.json("lock", "--platform", FOREIGN, world.multi)
    assert [change["kind"] for change in changed] == ["changed"]
    check(changed, "lock")
    check(world.json("lock", "--check"), "lock")
    check(world.json("sync", "--dry-run", "--prune"), "sync")
    check(world.json("df"), "df")
    check(world.json("prune", "--dry-run", "--max-size", "0"), "prune")

    assert world.json("fsck") == []
    manifest = world.json("inspect", world.after)[0]["digest"].replace(":", "/")
    blob = world.imgfetch.store / "blobs" / manifest
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().swapcase())
    damage = world.json("fsck", status=11)
    assert {"blob", "image"} <= {one["kind"] for one in damage}
    check(damage, "fsck")


def test_the_machine_and_settings(world: World) -> None:
    imgfetch = world.imgfetch
    config = imgfetch.home / "config.toml"
    config.write_text(CONFIG)
    check(tomllib.loads(CONFIG), "config-file")
    settings = world.json("--config", str(config), "config")
    assert settings["creds"] == {"value": "(set)", "source": str(config)}
    check(settings, "config")
    check(world.json("version"), "version")
    doctor = json.loads(imgfetch("--offline", "doctor", "--format", "json").stdout)
    check(doctor, "doctor")
    (imgfetch.home / "auth.json").write_text(
        '{"auths": {"registry.example": {"auth": "bWU6cHc="}}}'
    )
    explained = world.json(
        "auth", "explain", "--authfile", str(imgfetch.home / "auth.json"), "registry.example"
    )
    assert [entry["used"] for entry in explained] == [True]
    check(explained, "auth-explain")


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        (["resolve", "store:not/there:1"], 11, "NotInStoreError"),
        (["resolve", "--no-such-option"], 2, "UsageError"),
        (["run"], 125, "UsageError"),
    ],
)
def test_errors_of_all_kinds_are_events(
    imgfetch: Imgfetch, words: list[str], status: int, kind: str
) -> None:
    [event] = check_events(imgfetch("--log-format", "json", *words).exited(status))
    assert (event["event"], event["status"], event["kind"]) == ("error", status, kind)


def test_warnings_are_events(imgfetch: Imgfetch) -> None:
    said = imgfetch("--log-format", "json", "version", env={"IMGFETCH_NETWORK": "none of these"})
    [event] = check_events(said.succeeded())
    assert event["event"] == "warning"
