"""The real app on a free port, driven in Debian's chromium; one server and one browser for all browser tests."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 90_000  # ms; a worker needs ten seconds to start on a busy machine
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"]
LOCAL = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob):")


class Screen:
    """A page of the app as a person uses it; `requests` lists all that it asked for."""

    def __init__(self, page: Any, server: str) -> None:
        self.page, self.server = page, server
        self.requests: list[str] = []
        self.failures: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def open(self, path: str = "", **params: str) -> "Screen":
        """Follow a link; the parameters are written into it as they are."""
        self.page.goto(f"{self.server}/{path}" + (f"?{urlencode(params)}" if params else ""))
        return self.settled()

    def settled(self) -> "Screen":
        """Wait until no script run is under way."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        return self

    def live(self) -> "Screen":
        """Wait until the model is open."""
        self.page.get_by_text("smaller on paper, not faster").first.wait_for()
        return self.settled()

    def judged(self) -> "Screen":
        """Wait until accuracy is known on all images."""
        live = "document.body.innerText.includes('not faster') && !document.querySelector('[data-stale=true]')"
        return self.until(
            f"{live} && /[\\d.], n = /.test(document.querySelector('.st-key-metrics')?.innerText)"
        ).settled()

    def until(self, condition: str) -> "Screen":
        """Wait until a JavaScript expression is truthy."""
        self.page.wait_for_function(f"() => {condition}")
        return self

    def linked(self, **params: str) -> "Screen":
        """Wait until the URL holds these parameters."""
        self.page.wait_for_url(lambda url: params.items() <= dict(parse_qsl(urlsplit(url).query)).items())
        return self.settled()

    @property
    def link(self) -> dict[str, str]:
        """The URL's parameters."""
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def metric(self, place: int) -> str:
        """Text of a metric: params, MACs, top-1, change."""
        return self.page.locator("[data-testid=stMetric]").nth(place).inner_text()

    def text(self) -> str:
        """All text in view and below."""
        return self.page.inner_text("body")

    def widget(self, key: str) -> Any:
        """The element of that key, whatever number the app gave it after a dash."""
        return self.page.locator(f"[class~='st-key-{key}'], [class*='st-key-{key}-']")

    def press(self, key: str, *keys: str) -> "Screen":
        """Focus the slider of that key and press keys."""
        slider = self.widget(key).locator("input[type=range]")
        slider.focus()
        for name in keys:
            slider.press(name)
        return self

    def choose(self, key: str, option: str) -> "Screen":
        """Choose an option of the box of that key."""
        self.widget(key).locator("input").click()
        self.page.get_by_role("option", name=option, exact=True).click()
        return self

    def type(self, key: str, text: str) -> "Screen":
        """Type into the box of that key and press Enter."""
        field = self.widget(key).locator("input, textarea").first
        field.click()
        field.fill(text)
        field.press("Enter")
        return self

    def click(self, name: str) -> "Screen":
        """Press the button of that name."""
        self.page.get_by_role("button", name=name).click()
        return self

    def figure(self, script: str, key: str = "tradeoff") -> Any:
        """Evaluate `script`, a function of the plotly element of that key, once that is drawn."""
        self.widget(key).locator(".main-svg").first.wait_for()
        return self.page.evaluate(f"({script})(document.querySelector('.st-key-{key} .js-plotly-plot'))")

    def notice(self) -> str:
        """The one sentence of the one notice, once it is there."""
        alerts = self.page.locator("[data-testid=stAlertContentWarning] [data-testid=stMarkdownContainer]")
        alerts.first.wait_for()
        assert alerts.count() == 1
        return alerts.inner_text().strip()

    def point(self, place: str, key: str) -> "Screen":
        """Click a point of the figure of that key; `place` is a function of the plot to [x, y]."""
        script = f"""plot => {{
            const {{xaxis, yaxis}} = plot._fullLayout, [x, y] = ({place})(plot), box = plot.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
        }}"""
        self.widget(key).scroll_into_view_if_needed()
        self.page.mouse.move(*self.figure(script, key))
        self.page.wait_for_timeout(200)  # plotly clicks what it has been hovering over
        self.page.mouse.down()
        self.page.mouse.up()
        return self

    def check(self) -> None:
        """Nothing failed, nothing was asked from elsewhere."""
        assert self.page.locator("[data-testid=stException]").count() == 0
        assert "Traceback" not in self.text()
        assert self.failures == []
        assert [url for url in self.requests if not LOCAL.match(url)] == []


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """The address of the app, started as `make run` does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE / 1000
    while True:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < end, "the app did not start"
            time.sleep(0.1)
    yield address
    process.terminate()
    try:
        process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's chromium; where there is none, browser tests are skipped, but never in CI."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "no chromium here; 'apt-get install chromium' makes the browser tests run"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, server: str) -> Iterator[Callable[..., Screen]]:
    """visit("weights", model="deit-digits") -> a new person's screen; checked for failures at the end of the test."""
    screens = []

    def open_screen(path: str = "", context: dict[str, Any] | None = None, **params: str) -> Screen:
        settings = {"viewport": {"width": 1280, "height": 1000}, **(context or {})}
        screens.append(Screen(browser.new_context(**settings).new_page(), server))
        return screens[-1].open(path, **params)

    yield open_screen
    for screen in screens:
        screen.check()
        screen.page.context.close()
