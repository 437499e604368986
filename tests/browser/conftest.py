"""The real app on a free port and Debian's chromium; skipped where there is no chromium, but not in CI."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.helpers import wait

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]


def answers(url):
    """Whether a server is there."""
    try:
        urllib.request.urlopen(url, timeout=1).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    home = {**os.environ, "DIMAP_HOME": str(tmp_path_factory.mktemp("home"))}  # jobs and classes of these tests alone
    server = subprocess.Popen(command, cwd=ROOT, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait(lambda: answers(f"{url}/_stcore/health"), "the server's answer")
    yield url
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def window(tmp_path_factory):
    """One window for all tests, with a profile on disk: only there does chromium keep what it has compiled, which
    halves what loading the app once more takes. A tab is a session."""
    path = shutil.which("chromium")
    if path is None:
        message = "no chromium: install Debian's package to run the browser tests"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        window = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=FLAGS, accept_downloads=True
        )
        yield window
        window.close()


@pytest.fixture
def browser(window):
    """The window; the tabs of a test are closed after it, so that none goes on polling."""
    before = window.pages
    yield window
    for page in window.pages:
        if page not in before:
            page.close()
