"""Look at pages in Chromium, as a reader does: what they ask for, what goes wrong, how wide they are.

python tools/browser.py FOLDER PAGE.html ...     # pictures of pages, wide and narrow, into FOLDER
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WIDE, NARROW = 1280, 390
"""A laptop's window, a phone's screen."""
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
]  # fmt: skip

PLACED = """
import os, sys
far_in, far_out = (os.dup2(int(fd), int(fd) + 50) for fd in sys.argv[1:3])
os.dup2(far_in, 3), os.dup2(far_out, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts the browser that reads from descriptor 3 and writes to descriptor 4."""


def chromium() -> str | None:
    """Where a Chromium is, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Visit:
    """What a page did in a window of a width: its own width, the addresses it asked for, what went wrong."""

    width: int
    page_width: int = 0
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note(self, event: dict[str, Any]) -> None:
        """Take up what the browser reports."""
        said = event["params"]
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Network.loadingFailed":
                self.errors.append(said["errorText"])
            case "Runtime.exceptionThrown":
                self.errors.append(said["exceptionDetails"].get("exception", {}).get("description", "exception"))
            case "Runtime.consoleAPICalled" if said["type"] == "error":
                self.errors.append(" ".join(str(a.get("value", a)) for a in said["args"]))
            case "Log.entryAdded" if said["entry"]["level"] == "error":
                self.errors.append(said["entry"]["text"])


class Browser:
    """A Chromium without a window, told through a pipe what to do."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        its_in, self.out = os.pipe()
        self.back, its_out = os.pipe()
        words = [program, *QUIET, f"--user-data-dir={self.profile.name}", "about:blank"]
        # not by preexec_fn: that forks, which a process with JAX in it warns of
        words = [sys.executable, "-c", PLACED, str(its_in), str(its_out), *words]
        self.process = subprocess.Popen(
            words, pass_fds=(its_in, its_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(its_in)
        os.close(its_out)
        self.rest, self.number, self.session = b"", 0, None
        self.visit_now: Visit | None = None
        self.seen: set[str] = set()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.back)
        self.profile.cleanup()

    def visit(self, page: Path, width: int, picture: Path | None = None) -> Visit:
        """Open a page in a window `width` points wide; keep a picture of all of it where one is asked for."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )  # fmt: skip
        visit = self.visit_now = Visit(width)
        self.seen.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while "Page.loadEventFired" not in self.seen:
            self.read()
        self.run("window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => 0) : 0")
        visit.page_width = self.run("document.documentElement.scrollWidth")
        if picture:
            shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=self.whole())
            picture.write_bytes(base64.b64decode(shot["data"]))
        return visit

    def whole(self) -> dict[str, float]:
        """The rectangle of the page."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12_000), "scale": 1}

    def run(self, script: str) -> Any:
        """The value of some JavaScript on the page; a promise is waited for."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Give an order; what comes back."""
        self.number += 1
        order = {"id": self.number, "method": method, "params": params}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.out, json.dumps(order).encode() + b"\0")
        while True:
            said = self.read()
            if said.get("id") == self.number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]

    def read(self) -> dict[str, Any]:
        """The next thing that the browser says; events are noted."""
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended.")
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        said = json.loads(text)
        if "method" in said:
            self.seen.add(said["method"])
            if self.visit_now:
                self.visit_now.note(said)
        return said


def main() -> None:
    """Take pictures."""
    folder, *pages = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    program = chromium()
    if program is None:
        sys.exit("There is no chromium on PATH.")
    with Browser(program) as browser:
        for page in pages:
            for width in (WIDE, NARROW):
                found = browser.visit(page, width, folder / f"{page.stem}_{width}.png")
                print(page.name, width, found.page_width, *found.errors)


if __name__ == "__main__":
    main()
