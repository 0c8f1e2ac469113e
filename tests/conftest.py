"""Rules for every test: no network, no skipping in CI, nothing from the caller's environment."""

from __future__ import annotations

import functools
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Generator, Iterator
from typing import Any, NoReturn

import hypothesis
import pytest

# What would make a test depend on who runs it and where.
_FOREIGN_VARIABLES = (
    "ALL_PROXY",
    "DOCKER_CONFIG",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REGISTRY_AUTH_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
)


class NetworkBlockedError(Exception):
    """A test tried to reach beyond this machine.

    Not an OSError, so that code which maps network errors does not take it for one of them.
    """


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure(config: pytest.Config) -> None:
    # Shells let what they start in the background ignore it, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in _FOREIGN_VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    for name in [name for name in os.environ if name.startswith("IMGFETCH_")]:
        del os.environ[name]
    # Machines that run CI are too uneven for deadlines; and a failure there must be repeatable.
    hypothesis.settings.register_profile("local", deadline=None)
    hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
    hypothesis.settings.load_profile("ci" if _in_ci() else "local")


def _fail_instead_of_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not _in_ci() or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"nothing is skipped in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_instead_of_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_instead_of_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much tests have tried that repeat one thing many times: their ``tried``."""
    reports = terminalreporter.getreports("passed")
    tried = [text for one in reports for name, text in one.user_properties if name == "tried"]
    if tried:
        terminalreporter.section("tried")
        for text in tried:
            terminalreporter.line(str(text))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")


class _Guard:
    """Stands before the socket module's functions and refuses what is not local.

    Attributes:
        attempts: what was refused, in order.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []

    def refuse(self, target: object) -> NoReturn:
        self.attempts.append(str(target))
        message = f"tests reach the loopback interface only, not {target}"
        raise NetworkBlockedError(message)

    def on_address(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Guards a method of sockets whose last argument is an address."""

        @functools.wraps(real)
        def guarded(sock: socket.socket, *arguments: Any) -> Any:  # noqa: ANN401  # as in typeshed
            address = arguments[-1]
            if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
                self.refuse(address)
            return real(sock, *arguments)

        return guarded

    def on_name(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Guards the resolver, whose queries leave the machine too."""

        @functools.wraps(real)
        def guarded(host: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # as in typeshed
            name = host.decode() if isinstance(host, bytes) else host
            if name is not None and not _is_local(name):
                if name.rstrip(".").endswith(".invalid"):  # RFC 2606: never resolves, so no query
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                self.refuse(name)
            return real(host, *arguments, **options)

        return guarded


@pytest.fixture(autouse=True)
def block_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets a test reach the loopback interface and Unix sockets, and nothing else.

    The attempt fails where it is made, and again at the end of the test in case it was caught.
    """
    guard = _Guard()
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, guard.on_address(getattr(socket.socket, name)))
    monkeypatch.setattr(socket, "getaddrinfo", guard.on_name(socket.getaddrinfo))
    yield
    if guard.attempts:
        pytest.fail(f"this test tried to reach beyond this machine: {', '.join(guard.attempts)}")
