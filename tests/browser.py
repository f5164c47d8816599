"""Debian's Chromium for tests of the page, through Playwright; skipped where one of them is absent."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("file:", "data:", "blob:", "about:")


@contextmanager
def chromium(profile):
    """A browser with a profile of its own under `profile`: a Playwright context."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(str(profile), executable_path=path, args=list(FLAGS))
        context.set_default_timeout(20_000)
        yield context
        context.close()


class Watched:
    """A page of `context` and everything that it should not do: complaints, and requests that leave the file."""

    def __init__(self, context, path, fragment="", width=1280, height=900, scheme="light"):
        self.complaints, self.requests = [], []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=scheme)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]")

    def check(self):
        """Nothing was complained about, and nothing asked of a network."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith(LOCAL)] == []
        self.page.close()
