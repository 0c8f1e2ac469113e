"""What scripts see of a registry's faults: exit statuses, and messages that say what to do."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.registry_layout import routes
from tests.support.registry_server import Answer, ScriptedServer

MANIFEST = "GET /v2/app/manifests/1"
FEW = ("--retries", "0")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("layout")


@pytest.fixture(scope="module")
def image(layout: Path) -> WrittenImage:
    return ImageBuilder().layer({"a": File("a")}).write(layout)


def error(code: str) -> bytes:
    return f'{{"errors":[{{"code":"{code}","message":"because"}}]}}'.encode()


BASIC = {"WWW-Authenticate": 'Basic realm="x"'}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (Answer(500, error("UNKNOWN")), 6, "HTTP 500 Internal Server Error: UNKNOWN: because"),
        (Answer(200, b"<html>sign in", {"Content-Type": "text/html"}), 6, "sign in"),
        (Answer(404, error("MANIFEST_UNKNOWN")), 7, "not found"),
        (Answer(403, error("DENIED")), 7, "imgfetch login 127.0.0.1:"),
        (Answer(401, error("UNAUTHORIZED"), BASIC), 8, "imgfetch login 127.0.0.1:"),
        (Answer(429, error("TOOMANYREQUESTS"), {"Retry-After": "600"}), 9, "asked too often"),
        (Answer(200, b"{", length=1000, cut=1), 10, "broke"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_status(
    imgfetch: Imgfetch, answer: Answer, status: int, said: str
) -> None:
    """R012, R013, R020."""
    with ScriptedServer({"GET /v2/": Answer(), MANIFEST: answer}) as server:
        for arguments in (["pull"], ["resolve"], ["copy"]):
            target = ["127.0.0.1:1/x"] if arguments == ["copy"] else []
            reference = f"{server.host}/app:1"
            failed = imgfetch(*arguments, *FEW, reference, *target).exited(status)
            assert failed.stdout == b""
            assert said in failed.errors
            assert server.host in failed.errors
            assert len(failed.errors.splitlines()) <= 4, failed.errors
        # For containers all of this is one status: docker's for failures that are not theirs.
        run = imgfetch("run", *FEW, "--network", "none", f"{server.host}/app:1", "true").exited(125)
        assert said in run.errors


def test_r020_waiting_as_long_as_the_registry_asks_for(
    imgfetch: Imgfetch, layout: Path, image: WrittenImage
) -> None:
    table = routes(layout, image)
    table[MANIFEST] = [Answer(429, b"", {"Retry-After": "1"}), table[MANIFEST]]  # type: ignore[list-item]  # an Answer
    with ScriptedServer(table) as server:
        imgfetch("pull", f"{server.host}/app:1").succeeded()
        assert len(server.asked(MANIFEST)) == 2


def context(authority: trustme.CA, *, expired: bool = False) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    authority.issue_cert("127.0.0.1", not_after=past if expired else None).configure_cert(made)
    return made


def test_a_certificate_of_an_unknown_authority(
    imgfetch: Imgfetch, layout: Path, image: WrittenImage, tmp_path: Path
) -> None:
    """The message names both ways out, and both work."""
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with ScriptedServer(routes(layout, image), tls=context(authority)) as server:
        reference = f"{server.host}/app:1"
        failed = imgfetch("pull", *FEW, reference).exited(10)
        assert "--ca FILE" in failed.errors
        assert f"--insecure-skip-verify {server.host}" in failed.errors
        imgfetch("resolve", "--ca", file, reference).succeeded()
        imgfetch("resolve", "--insecure-skip-verify", server.host, reference).succeeded()
        imgfetch("resolve", *FEW, "--insecure-skip-verify", "127.0.0.2", reference).exited(10)
        elsewhere = imgfetch.home / ".config/containers/certs.d" / server.host
        elsewhere.mkdir(parents=True)
        (elsewhere / "authority.crt").write_bytes(file.read_bytes())
        imgfetch("resolve", reference).succeeded()


def test_r037_authorities_of_the_environment(
    imgfetch: Imgfetch, layout: Path, image: WrittenImage, tmp_path: Path
) -> None:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with ScriptedServer(routes(layout, image), tls=context(authority)) as server:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            imgfetch("resolve", f"{server.host}/app:1", env={name: str(file)}).succeeded()


def test_r011_an_expired_certificate_may_be_the_clock(
    imgfetch: Imgfetch, layout: Path, image: WrittenImage, tmp_path: Path
) -> None:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    table = routes(layout, image)
    with ScriptedServer(table, tls=context(authority, expired=True)) as server:
        failed = imgfetch("pull", *FEW, "--ca", file, f"{server.host}/app:1").exited(10)
    assert "expired" in failed.errors
    assert "clock" in failed.errors


def test_nobody_is_there(imgfetch: Imgfetch) -> None:
    unknown = imgfetch("pull", *FEW, "registry.invalid/app:1").exited(10)
    assert "registry.invalid" in unknown.errors
    assert "resolve" in unknown.errors
    with ScriptedServer({}) as server:
        host = server.host
    gone = imgfetch("pull", *FEW, f"{host}/app:1").exited(10)
    assert f"{host} refuses connections" in gone.errors


def test_s021_no_registry_elsewhere_is_asked_without_tls(imgfetch: Imgfetch) -> None:
    """A name for this machine that is not one of the loopback interface's own."""
    name = socket.gethostname()
    with ScriptedServer({"GET /v2/": Answer()}) as server:
        failed = imgfetch("pull", *FEW, f"{name}.invalid:{server.port}/app:1").exited(10)
        assert server.seen == []
    assert "resolve" in failed.errors


def test_s025_passwords_are_in_no_message(imgfetch: Imgfetch) -> None:
    answer = Answer(500, error("UNKNOWN"))
    with ScriptedServer({"GET /v2/": Answer(), MANIFEST: Answer(401, b"", BASIC)}) as server:
        creds = ["--creds", "alice:hunter2secret"]
        failed = imgfetch("-vv", "pull", *FEW, *creds, f"{server.host}/app:1").exited(8)
        server.routes[MANIFEST] = answer
        broken = imgfetch("-vv", "pull", *FEW, *creds, f"{server.host}/app:1").exited(6)
    for result in (failed, broken):
        assert "hunter2secret" not in result.errors
        assert "Traceback" in result.errors
