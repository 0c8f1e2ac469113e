"""A real browser without a window, spoken to over the DevTools protocol.

Through two pipes (``--remote-debugging-pipe``): no port is opened, and no driver is needed. The
browser ends with the test, and takes its profile with it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.tools import require_tool

# Long, since machines that run tests are busy: nothing waits for this unless it fails.
_PATIENCE = 90.0

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--remote-debugging-pipe",
)

_KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
}


@dataclass(slots=True)
class Page:
    """A page in a browser.

    Attributes:
        complaints: what the console and the page's policy said, and exceptions.
        requests: addresses of everything that was asked for.
    """

    _pipe: _Pipe
    _session: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Shows a file, and waits until it is loaded."""
        self.send("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON value
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Waits until an expression is true."""
        limit = time.monotonic() + _PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < limit, f"never became true: {expression}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Presses a key and lets it go."""
        code, text = _KEYS[key]
        names = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        kind = "keyDown" if text else "rawKeyDown"
        self.send("Input.dispatchKeyEvent", type=kind, text=text, **names)
        self.send("Input.dispatchKeyEvent", type="keyUp", **names)

    def click(self, x: float, y: float) -> None:
        """Clicks at a place."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Gives the page a size, and a light or a dark scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.send("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        """What is seen, as a PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def send(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - the protocol's JSON
        """The browser's answer to a command."""
        number = self._pipe.write(method, parameters, self._session)
        while True:
            message = self._pipe.read()
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._notice(message)

    def _notice(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(parameters["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])


class _Pipe:
    """Messages ended by NUL, over two pipes."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._rest = b""
        self._number = 0

    def write(self, method: str, parameters: dict[str, Any], session: str | None = None) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        return self._number

    def read(self) -> dict[str, Any]:
        limit = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], limit - time.monotonic())
            assert ready, "the browser does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def ask(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - the protocol's JSON
        number = self.write(method, parameters)
        while (message := self.read()).get("id") != number:
            pass
        return message["result"]


@contextlib.contextmanager
def browser_page(profile: Path) -> Generator[Page]:
    """A page of a browser that is started for it.

    Args:
        profile: an empty directory for what the browser writes.
    """
    commands, answers = os.pipe(), os.pipe()
    # The browser wants them as 3 and 4; a shell can say so without code between fork and exec.
    line = f'exec "$0" "$@" 3<&{commands[0]} 4>&{answers[1]}'
    process = subprocess.Popen(
        ["bash", "-c", line, require_tool("chromium"), *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(commands[0], answers[1]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where it leaves temporary files if it has to be killed.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(profile),
            "TMPDIR": str(profile),
            "LANG": "C.UTF-8",
        },
        start_new_session=True,
    )
    os.close(commands[0])
    os.close(answers[1])
    pipe = _Pipe(commands[1], answers[0])
    try:
        yield _new_page(pipe)
        # Asked to end, it waits for the processes that it has started.
        pipe.write("Browser.close", {})
        process.wait(_PATIENCE)
    finally:
        os.close(commands[1])
        os.close(answers[0])
        _end(process)


def _new_page(pipe: _Pipe) -> Page:
    target = pipe.ask("Target.createTarget", url="about:blank")["targetId"]
    session = pipe.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Page(pipe, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.send(f"{domain}.enable")
    return page


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    # All of them: the session was made for it, so nobody else's process is in its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
