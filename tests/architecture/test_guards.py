"""The rules for every test, tested: what tests/conftest.py and tests/support/tools.py promise."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.rules import ROOT
from tests.support.tools import require_tool


def _pytest(directory: Path, *sources: str, **environment: str) -> tuple[int, str]:
    """Runs files of tests below the project's conftest; returns the status and the output."""
    for number, source in enumerate(sources):
        (directory / f"test_{number}.py").write_text(source, "utf-8")
    (directory / "pytest.ini").write_text("[pytest]\n", "utf-8")
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-ra", str(directory)],
        cwd=ROOT,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


SKIPS = (
    "import pytest\ndef test_a():\n    pytest.skip('in a test')\n",
    "import pytest\n@pytest.mark.skip(reason='by a mark')\ndef test_a(): pass\n",
    """
import pytest
@pytest.fixture
def f():
    pytest.skip('in a fixture')
def test_a(f): pass
""",
)
MODULE_SKIP = "import pytest\npytest.skip('of a module', allow_module_level=True)\n"


def test_a_skipped_test_is_a_failure_in_ci(tmp_path: Path) -> None:
    status, output = _pytest(tmp_path, *SKIPS, CI="true")
    assert status == pytest.ExitCode.TESTS_FAILED
    for reason in ("in a test", "by a mark", "in a fixture"):
        assert f"nothing is skipped in CI: Skipped: {reason}" in output
    assert "skipped" not in output.splitlines()[-1]


def test_a_skipped_module_is_a_failure_in_ci(tmp_path: Path) -> None:
    status, output = _pytest(tmp_path, MODULE_SKIP, CI="true")
    assert status == pytest.ExitCode.INTERRUPTED
    assert "nothing is skipped in CI: Skipped: of a module" in output


def test_a_skip_by_hand_stays_a_skip(tmp_path: Path) -> None:
    status, output = _pytest(tmp_path, *SKIPS, MODULE_SKIP)
    assert status == pytest.ExitCode.OK
    assert "4 skipped" in output


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert False\n"
    status, output = _pytest(tmp_path, source, CI="true")
    assert status == pytest.ExitCode.OK
    assert "1 xfailed" in output


ESCAPES = (
    "socket.socket().connect(('192.0.2.1', 80))",
    "socket.socket().connect_ex(('192.0.2.2', 80))",
    "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80, 0, 0))",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.3', 80))",
    "socket.create_connection(('registry.example', 443))",
)
TARGETS = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3", "registry.example")


def test_reaching_beyond_the_machine_fails_a_test_even_where_that_is_caught(tmp_path: Path) -> None:
    template = "import socket\ndef test_a():\n    try:\n        {}\n    except Exception: pass\n"
    status, output = _pytest(tmp_path, *map(template.format, ESCAPES))
    assert status == pytest.ExitCode.TESTS_FAILED
    for target in TARGETS:
        assert re.search(rf"tried to reach beyond this machine: .*{re.escape(target)}", output)


def test_the_loopback_interface_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1])).close()


def test_unix_sockets_are_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        client.connect(str(tmp_path / "socket"))


def test_invalid_names_do_not_resolve_and_are_no_escape() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("registry.invalid", 443))


def test_tests_do_not_see_the_callers_settings(tmp_path: Path) -> None:
    source = """
import os
def test_a():
    assert not {'IMGFETCH_STORE', 'https_proxy'} & set(os.environ)
"""
    status, output = _pytest(tmp_path, source, IMGFETCH_STORE="/x", https_proxy="http://x")
    assert status == 0, output


def test_a_tool_is_found_by_its_path() -> None:
    assert os.access(require_tool("sh"), os.X_OK)


def test_a_missing_tool_fails_the_test_with_what_to_install() -> None:
    with pytest.raises(pytest.fail.Exception, match="scripts/setup") as failure:
        require_tool("no-such-tool")
    assert not isinstance(failure.value, pytest.skip.Exception)
