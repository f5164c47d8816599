"""One file on its way from a server: continued after a cut, retried, refused where it cannot be right."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.disk_space import gigabytes, require_space
from benchmark.data.remote_file import RemoteFile, part_of, refuse_page, short_reason, verify
from benchmark.errors import UsageError

if TYPE_CHECKING:
    import requests

Progress = Callable[[str, int, int | None], None]
"""Told (name of the file, bytes so far, all bytes or None where the server does not say)."""

CHUNK = 64 * 1024
TIMEOUT = (15, 60)
"""Seconds to connect, and between two packets."""
ATTEMPTS = 5
RETRIED = (429, 500, 502, 503, 504)
AGAIN = "run the same command again to continue where it stopped, or fetch from another server with --mirror URL"


class _Cut(Exception):
    """The transfer ended early; what has come is kept."""


class Transfer:
    """One file on its way from a server to a folder."""

    def __init__(
        self,
        file: RemoteFile,
        base_url: str,
        folder: Path,
        progress: Progress | None,
        backoff: float,
        stop: threading.Event,
    ) -> None:
        self.file, self.stop, self.backoff = file, stop, backoff
        self.url = f"{base_url.rstrip('/')}/{file.path}"
        self.target = folder / file.local
        self.part = part_of(self.target)
        self.state = self.part.with_name(self.part.name + ".json")
        self.report = progress or (lambda name, done, total: None)

    def run(self) -> None:
        """Fetch, verify, rename; a file that is there is only verified, and kept whatever comes out."""
        if self.target.is_file():
            verify(self.target, self.file, self.url)
            return
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with _session(self.backoff) as session:
            self._fetch(session)
        if not self.part.stat().st_size:
            self._forget()
            raise UsageError(f"{self.url}: the server's file is empty (0 bytes); try another server with --mirror URL")
        self.state.unlink(missing_ok=True)
        verify(self.part, self.file, self.url, remove=True)
        self.part.rename(self.target)

    def _fetch(self, session: requests.Session) -> None:
        """Continue after each cut, until `ATTEMPTS` in a row bring nothing new."""
        import requests

        furthest, failures = self._done, 0
        while True:
            try:
                self._continue(session)
                return
            except (_Cut, requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
                failures = 0 if self._done > furthest else failures + 1
                furthest = max(furthest, self._done)
                if failures == ATTEMPTS:
                    raise UsageError(f"{self.url}: {short_reason(error)}, {ATTEMPTS} times; {AGAIN}") from error
            self.stop.wait(self.backoff * 2**failures)

    def _continue(self, session: requests.Session) -> None:
        import requests

        start, headers = self._resume_headers()
        try:
            response = session.get(self.url, headers=headers, stream=True, timeout=TIMEOUT)
        except requests.RequestException as error:  # its adapter has retried already
            raise UsageError(f"{self.url}: {short_reason(error)}; {AGAIN}") from error
        with response:
            if response.status_code == 416 and self._state.get("total") == start:
                return  # all of it had come when the last call was killed
            if response.status_code == 416 or (response.status_code == 206 and not self._continues(response, start)):
                self._forget()
                raise _Cut("the server's file has changed")
            if response.status_code not in (200, 206):
                raise UsageError(
                    f"{self.url}: the server answers {response.status_code} {response.reason}; "
                    f"try another server with --mirror URL"
                )
            if response.status_code == 200:
                start = 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length is not None else None
            self._refuse(response, total, start)
            self.state.write_text(json.dumps(_validators(self.url, response, total)))
            self._receive(response, start, total)

    def _receive(self, response: requests.Response, start: int, total: int | None) -> None:
        done = start
        with self.part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                if done == 0:
                    refuse_page(self.url, response.headers.get("Content-Type", ""), chunk)
                file.write(chunk)
                done += len(chunk)
                self.report(self.file.local, done, total)
                if self.stop.is_set():
                    raise UsageError(f"{self.url}: stopped; {AGAIN}")
        if total is not None and done != total:
            raise _Cut(f"the connection ended after {done} of {total} bytes")

    def _resume_headers(self) -> tuple[int, dict[str, str]]:
        """Where to go on, and how to ask for it; a part from another address is not continued."""
        headers = {"Accept-Encoding": "identity"}  # else lengths and ranges would be those of a compressed form
        state = self._state
        if not self._done or state.get("url") != self.url:
            return 0, headers
        headers["Range"] = f"bytes={self._done}-"
        etag = state.get("etag") or ""
        # A weak tag may stay while bytes change, so that a server must not accept it here (RFC 9110, 13.1.5).
        validator = etag if etag and not etag.startswith("W/") else state.get("modified")
        if validator:
            headers["If-Range"] = validator
        return self._done, headers

    def _continues(self, response: requests.Response, start: int) -> bool:
        """The answer is the rest of the very file that was begun."""
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        known = self._state
        now = _validators(self.url, response, int(total) if total.isdigit() else None)
        same = all(known.get(key) == now[key] for key in now if known.get(key) is not None and now[key] is not None)
        return same and span.partition("-")[0] == str(start)

    def _refuse(self, response: requests.Response, total: int | None, start: int) -> None:
        """Sizes that cannot be right, and a disk that is too small."""
        if total is None:
            return
        # Published sizes are rounded, in unknown units: only another order of magnitude says that it is another file.
        if self.file.size and not self.file.size / 2 < total < self.file.size * 2:
            page = " (an error page?)" if "html" in response.headers.get("Content-Type", "") else ""
            raise UsageError(
                f"{self.url}: {gigabytes(total)}{page}, about {gigabytes(self.file.size)} expected; "
                f"try another server with --mirror URL"
            )
        require_space(self.target.parent, total - start)

    @property
    def _done(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def _state(self) -> dict[str, object]:
        try:
            return json.loads(self.state.read_text())
        except (OSError, ValueError):
            return {}

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)


def _validators(url: str, response: requests.Response, total: int | None) -> dict[str, object]:
    """What tells whether a later answer is about the same file."""
    headers = response.headers
    return {"url": url, "etag": headers.get("ETag"), "modified": headers.get("Last-Modified"), "total": total}


def _session(backoff: float) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    retry = Retry(total=ATTEMPTS, backoff_factor=backoff, status_forcelist=RETRIED, allowed_methods=("GET",))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session
