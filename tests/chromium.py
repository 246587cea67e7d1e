"""A real Chromium without a window, driven over its DevTools protocol with real clicks and keys."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from websockets.sync.client import ClientConnection, connect

import programs
from serving import PATIENCE


class Chromium:
    """A browser with a profile of its own below `home`, and one page in it. A context manager."""

    def __init__(self, home: Path) -> None:
        self._program = programs.find("chromium", "chromium")
        self._home = home
        self._profile = home / "profile"
        self._said: list[str] = []
        self._listening = threading.Event()
        self._ids = 0
        self._opened = contextlib.ExitStack()
        self.complaints: list[str] = []
        """What pages wrote on the console as errors and warnings, and exceptions that nobody caught."""

    def __enter__(self) -> Self:
        command = [
            self._program,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._profile}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--mute-audio",
            "--force-color-profile=srgb",
            "about:blank",
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(self._home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._socket = self._attach()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            self._call("Browser.close")
        self._end()

    def _end(self) -> None:
        self._opened.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if "DevTools listening on" in line:
                self._listening.set()
        self._listening.set()

    def _attach(self) -> ClientConnection:
        assert self._listening.wait(PATIENCE), "Chromium says nothing"
        found = re.search(r"DevTools listening on (ws://\S+)", "".join(self._said))
        assert found, f"Chromium ended: {''.join(self._said)}"
        socket = self._opened.enter_context(
            connect(found[1], max_size=64 * 1024 * 1024, open_timeout=PATIENCE, proxy=None)
        )
        self._socket, self._session = socket, ""
        target = next(one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        return socket

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._ids += 1
        message: dict[str, Any] = {"id": self._ids, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        deadline = time.monotonic() + PATIENCE
        while True:
            told = json.loads(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if told.get("id") != self._ids:
                self._notice(told)
                continue
            if "error" in told:
                raise AssertionError(f"{method}: {told['error']['message']}")
            result: dict[str, Any] = told["result"]
            return result

    def _notice(self, told: dict[str, Any]) -> None:
        details = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            self.complaints.append(thrown.get("exception", {}).get("description") or thrown["text"])
        elif told.get("method") == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            entry = details["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
        elif told.get("method") == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.complaints.append(" ".join(str(one.get("value")) for one in details["args"]))

    def size(self, width: int, height: int, *, touch: bool = False) -> None:
        """Of the page, in pixels; `touch` for a tablet."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=touch)

    def open(self, url: str) -> None:
        """Go to `url`."""
        told = self._call("Page.navigate", url=url)
        assert not told.get("errorText"), f"{url}: {told['errorText']}"
        self.until("document.readyState === 'complete'")

    def ask(self, script: str) -> Any:
        """The value of an expression in the page, waited for where it is a promise."""
        told = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in told:
            thrown = told["exceptionDetails"]
            raise AssertionError(thrown.get("exception", {}).get("description") or thrown["text"])
        return told["result"].get("value")

    def until(self, condition: str, patience: float = 0.9 * PATIENCE) -> Any:
        """Wait until an expression in the page is true; its value. Fails the test otherwise."""
        script = f"""new Promise((resolve) => {{
            const end = performance.now() + {patience * 1000};
            const look = () => {{
                let value = null;
                try {{ value = {condition}; }} catch {{ }}
                if (value || performance.now() > end) resolve(value instanceof Node || value);
                else setTimeout(look, 20);
            }};
            look();
        }})"""
        value = self.ask(script)
        if not value:
            seen = self.ask("document.body.innerText")
            pytest.fail(f"never so: {condition}\n{self.complaints}\n{seen}")
        return value

    def _middle(self, selector: str) -> tuple[float, float]:
        self.until(f"document.querySelector({json.dumps(selector)})")
        box = self.ask(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: "nearest", inline: "nearest"}});
                const box = element.getBoundingClientRect();
                const at = [box.x + box.width / 2, box.y + box.height / 2];
                const top = document.elementFromPoint(...at);
                return [...at, element === top || element.contains(top) || top?.closest("label") !== null];
            }})()"""
        )
        assert box[2], f"{selector} is covered by something else"
        return box[0], box[1]

    def press(self, selector: str) -> None:
        """Hold the mouse's button down on an element."""
        x, y = self._middle(selector)
        self._mouse("mouseMoved", x, y, buttons=0)
        self._mouse("mousePressed", x, y, buttons=1)

    def release(self, selector: str) -> None:
        """Let go of it."""
        self._mouse("mouseReleased", *self._middle(selector), buttons=0)

    def click(self, selector: str) -> None:
        """Press and let go."""
        self.press(selector)
        self.release(selector)

    def _mouse(self, kind: str, x: float, y: float, buttons: int) -> None:
        self._call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="none" if kind == "mouseMoved" else "left",
            buttons=buttons,
            clickCount=1,
        )

    def write(self, selector: str, text: str) -> None:
        """Click into a field and replace what stands there."""
        self.click(selector)
        self.ask(f"document.querySelector({json.dumps(selector)}).select()")
        self._call("Input.insertText", text=text)

    def key(self, code: str, key: str, *, down: bool = True, up: bool = True) -> None:
        """A key of the keyboard, by the place that `code` names."""
        number = {"Enter": 13, "Escape": 27}.get(key, ord(key[0].upper()))
        common = {"code": code, "key": key, "windowsVirtualKeyCode": number}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        if down:
            self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        if up:
            self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, path: Path) -> bytes:
        """A PNG of what is seen."""
        content = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(content)
        return content
