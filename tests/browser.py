"""A headless Chromium driven over its DevTools protocol: pages are loaded, pressed, and asked what they show."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {" ": "Space", "ArrowLeft": "ArrowLeft", "ArrowRight": "ArrowRight", "Home": "Home", "Tab": "Tab"}
CODES = {" ": 32, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "Tab": 9}
PATIENCE_S = 20.0


@contextmanager
def browser(folder, *, width=1280, height=900):
    """Yield a page of a browser whose profile is below ``folder``; skips the test where there is no Chromium."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
    flags += ["--disable-dev-shm-usage", "--disable-background-networking", "--mute-audio"]
    flags += ["--remote-allow-origins=*", f"--user-data-dir={folder}", f"--window-size={width},{height}"]
    process = subprocess.Popen([program, *flags, "about:blank"], stderr=subprocess.DEVNULL)
    page = None
    try:
        port_file = folder / "DevToolsActivePort"
        wait(lambda: port_file.exists() and port_file.read_text().count("\n"))
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            target = next(each for each in json.load(answer) if each["type"] == "page")
        page = Page(websocket.create_connection(target["webSocketDebuggerUrl"], timeout=PATIENCE_S))
        yield page
    finally:
        if page is not None:
            page.socket.close()
        process.terminate()
        process.wait(PATIENCE_S)


def wait(ready):
    """Return what ``ready`` returns once that is true."""
    end = time.monotonic() + PATIENCE_S
    while not (value := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"the browser did not get there within {PATIENCE_S:g} s")
        time.sleep(0.02)
    return value


class Page:
    """One page; ``requests`` are the addresses it asked for, ``complaints`` errors and what the console got."""

    def __init__(self, socket):
        self.socket, self.numbers = socket, itertools.count(1)
        self.requests, self.complaints = [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Return the answer to a command, having kept what the page told meanwhile."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := json.loads(self.socket.recv())).get("id") != number:
            self._keep(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def _keep(self, message):
        params = message.get("params", {})
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(params))

    def ask(self, expression):
        """Return the value of a JavaScript expression, a promise's when it is there."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def open(self, place):
        """Load a file, or what is at an address."""
        url = place if isinstance(place, str) else place.as_uri()
        self.send("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href === {url!r}")

    def until(self, expression):
        """Wait for an expression to be true."""
        return wait(lambda: self.ask(expression))

    def click(self, selector, *, across=0.5):
        """Press the mouse on the first element of a selector, at a share of its width."""
        box = self.ask(
            f"(() => {{ const e = document.querySelector({selector!r}); "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )
        where = {"x": box[0] + across * box[2], "y": box[1] + box[3] / 2, "button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", **where)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def key(self, key):
        """Press a key."""
        about = {"key": key, "code": KEYS.get(key, f"Key{key.upper()}")}
        about["windowsVirtualKeyCode"] = CODES.get(key, ord(key[0].upper()))
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def look(self, *, width, height, scheme):
        """Be a screen of a width in CSS pixels, and prefer light or dark colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self):
        """Return a PNG of what is in sight."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
