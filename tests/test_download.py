"""Downloads from a loopback server that cuts, changes, refuses and lies."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import gdown
import numpy as np
import pytest
from gdown.exceptions import FileURLRetrievalError

from benchmark.data import disk_space
from benchmark.data.download import RemoteFile, fetch, fetch_drive
from benchmark.errors import UsageError
from tests.miniature import serve

CONTENT = np.random.default_rng(0).integers(0, 256, 400_000, dtype=np.uint8).tobytes()
OTHER = CONTENT[::-1]
SHA512 = hashlib.sha512(CONTENT).hexdigest()
NAME = "deep/data.zip"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served" / "deep").mkdir(parents=True)
    (tmp_path / "served" / NAME).write_bytes(CONTENT)
    (tmp_path / "served" / "list.txt").write_bytes(b"a line\n")
    with serve(tmp_path / "served") as running:
        yield running


@pytest.fixture
def into(tmp_path):
    return tmp_path / "data"


def get(server, into, file=None, **options):
    fetch([file or RemoteFile(NAME, sha512=SHA512)], server.url, into, backoff=0.001, **options)
    return (into / "data.zip").read_bytes()


def refusal(server, into, file=None):
    with pytest.raises(UsageError) as caught:
        get(server, into, file)
    assert "\n" not in str(caught.value) and f"{server.url}{(file or RemoteFile(NAME)).path}" in str(caught.value)
    return str(caught.value)


def leftovers(into):
    return sorted(path.name for path in into.rglob("*") if path.is_file())


def test_files_arrive_where_they_are_wanted_with_progress(server, into):
    seen = []
    files = [RemoteFile(NAME, "here/it.zip", 390_000, SHA512[:50]), RemoteFile("list.txt")]
    fetch(files, server.url.rstrip("/"), into, progress=lambda *event: seen.append(event))
    assert (into / "here" / "it.zip").read_bytes() == CONTENT
    assert (into / "list.txt").read_bytes() == b"a line\n"
    assert {event for event in seen if event[1] == event[2]} == {("here/it.zip", 400_000, 400_000), ("list.txt", 7, 7)}
    assert leftovers(into) == ["it.zip", "list.txt"]


def test_what_is_there_is_verified_and_not_fetched_again(server, into):
    get(server, into)
    get(server, into)
    assert server.asked[NAME] == [""]
    (into / "data.zip").write_bytes(OTHER)
    with pytest.raises(UsageError, match=r"data.zip is not the published file; remove it"):
        get(server, into)
    assert (into / "data.zip").read_bytes() == OTHER  # a user's own file is not thrown away


def test_a_cut_is_continued_where_it_was(server, into):
    server.faults.cut[NAME] = [150_000, 100_000]
    assert get(server, into) == CONTENT
    first, second, third = server.asked[NAME]
    assert first == ""
    starts = [int(span.removeprefix("bytes=").rstrip("-")) for span in (second, third)]
    assert 0 < starts[0] <= 150_000 and starts[0] < starts[1] <= starts[0] + 100_000
    assert leftovers(into) == ["data.zip"]


def test_cuts_without_an_end_are_given_up_and_continued_by_the_next_call(server, into):
    server.faults.cut[NAME] = [200_000, *[0] * 20]
    message = refusal(server, into)
    assert "5 times; run the same command again to continue where it stopped" in message
    kept = (into / "data.zip.part").stat().st_size
    assert 0 < kept <= 200_000 and not (into / "data.zip").exists()
    server.faults.cut.clear()
    server.asked.clear()
    assert get(server, into) == CONTENT
    assert server.asked[NAME] == [f"bytes={kept}-"]


def test_a_killed_process_is_continued(server, into):
    code = (
        "import os, sys; from pathlib import Path; from benchmark.data.download import RemoteFile, fetch\n"
        "def kill(name, done, total):\n    if done > 150_000: os._exit(9)\n"
        f"fetch([RemoteFile('{NAME}')], '{server.url}', Path(sys.argv[1]), progress=kill)"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code, str(into)], cwd=root, check=False).returncode == 9
    kept = (into / "data.zip.part").stat().st_size
    assert kept > 0
    assert get(server, into) == CONTENT
    assert server.asked[NAME] == ["", f"bytes={kept}-"]


def test_a_part_that_is_complete_already_is_only_verified(server, into):
    get(server, into)
    (into / "data.zip").rename(into / "data.zip.part")
    state = {"url": server.url + NAME, "etag": None, "modified": None, "total": len(CONTENT)}
    (into / "data.zip.part.json").write_text(json.dumps(state))
    assert get(server, into) == CONTENT
    assert server.asked[NAME] == ["", f"bytes={len(CONTENT)}-"]


def test_a_server_without_ranges_begins_again(server, into):
    server.faults.cut[NAME] = [150_000]
    server.faults.no_range = True
    assert get(server, into) == CONTENT
    assert len(server.asked[NAME]) == 2


@pytest.mark.parametrize("no_etag", [False, True])
def test_a_file_that_changed_meanwhile_begins_again(server, into, no_etag):
    """With an ETag the server says so (If-Range); without one the total size does."""
    server.faults.no_etag = no_etag
    server.faults.cut[NAME] = [150_000, *[0] * 20]
    refusal(server, into)
    server.faults.cut.clear()
    server.faults.replaced[NAME] = OTHER + b"longer"
    server.asked.clear()
    assert get(server, into, RemoteFile(NAME)) == OTHER + b"longer"
    continued, *again = server.asked[NAME]
    assert continued.startswith("bytes=") and again == ([""] if no_etag else [])


def test_a_part_from_another_address_is_not_continued(server, into, tmp_path):
    server.faults.cut[NAME] = [150_000, *[0] * 20]
    refusal(server, into)
    (tmp_path / "mirror" / "deep").mkdir(parents=True)
    (tmp_path / "mirror" / NAME).write_bytes(OTHER)
    with serve(tmp_path / "mirror") as mirror:
        assert get(mirror, into, RemoteFile(NAME)) == OTHER
        assert mirror.asked[NAME] == [""]


def test_an_overloaded_server_is_asked_again(server, into):
    server.faults.status[NAME] = [503, 429, 500]
    assert get(server, into) == CONTENT
    assert len(server.asked[NAME]) == 4


def test_a_server_that_stays_broken_is_named(server, into):
    server.faults.status[NAME] = [503] * 50
    assert "503" in refusal(server, into)
    assert len(server.asked[NAME]) == 6


def test_a_missing_file_is_not_asked_for_twice(server, into):
    message = refusal(server, into, RemoteFile("deep/gone.zip"))
    assert "the server answers 404 Not Found; try another server with --mirror URL" in message
    assert server.asked["deep/gone.zip"] == [""] and leftovers(into) == []


def test_nobody_at_the_address(into):
    with pytest.raises(UsageError, match="refused") as caught:
        fetch([RemoteFile("a.zip")], "http://127.0.0.1:9/", into, backoff=0.001)
    assert "\n" not in str(caught.value) and "http://127.0.0.1:9/a.zip" in str(caught.value)


def test_wrong_bytes_are_removed(server, into):
    server.faults.replaced[NAME] = OTHER
    message = refusal(server, into)
    assert f"expected {SHA512[:16]}..." in message and "was removed; fetch it again" in message
    assert leftovers(into) == []


def test_an_empty_file_is_refused(server, into):
    server.faults.replaced[NAME] = b""
    assert "empty (0 bytes)" in refusal(server, into)
    assert leftovers(into) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_instead_of_the_file_is_refused(server, into, kind):
    server.faults.replaced[NAME] = b"\n<!DOCTYPE html><html>Sorry</html>" if "html" not in kind else b"Sorry"
    server.faults.kind[NAME] = kind
    assert "the server sent a web page instead of the file" in refusal(server, into)
    assert not (into / "data.zip").exists()


def test_another_size_than_published_is_refused_before_it_is_fetched(server, into):
    message = refusal(server, into, RemoteFile(NAME, size=1_300_000_000))
    assert "0.4 MB, about 1.3 GB expected" in message and leftovers(into) == []


def test_one_bad_file_fails_the_call_and_the_rest_is_kept(server, into):
    with pytest.raises(UsageError, match=r"gone.zip: the server answers 404"):
        fetch([RemoteFile(NAME), RemoteFile("gone.zip")], server.url, into, workers=1, backoff=0.001)
    assert (into / "data.zip").read_bytes() == CONTENT


def test_the_disk_is_looked_at_first(server, into, monkeypatch):
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda path: namedtuple("usage", "free")(300_000))
    with pytest.raises(UsageError, match=r"0.4 MB needed, 0.3 MB free; free some space or choose another disk"):
        get(server, into, RemoteFile(NAME, size=400_000))
    assert server.asked[NAME] == []
    with pytest.raises(UsageError, match=r"0.4 MB needed"):
        get(server, into, RemoteFile(NAME))  # no published size: the server's
    assert leftovers(into) == []


def drive(monkeypatch, content=None, error=None):
    def download(id, output, resume):
        assert (id, resume) == ("FILE_ID", True)
        if error:
            raise error
        Path(output).write_bytes(content)

    monkeypatch.setattr(gdown, "download", download)


def test_google_drive(into, monkeypatch):
    drive(monkeypatch, CONTENT)
    fetch_drive("FILE_ID", into / "pacs.zip", sha512=SHA512)
    assert leftovers(into) == ["pacs.zip"]
    monkeypatch.setattr(gdown, "download", None)
    fetch_drive("FILE_ID", into / "pacs.zip", sha512=SHA512)  # is there: not asked for again


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"<html>quota</html>", None, "web page"),
        (OTHER, None, "was removed"),
        (None, FileURLRetrievalError("too many\nusers"), "too many users; fetch it with a browser and save it as"),
    ],
)
def test_google_drive_refusals(into, monkeypatch, content, error, message):
    drive(monkeypatch, content, error)
    with pytest.raises(UsageError, match=message) as caught:
        fetch_drive("FILE_ID", into / "pacs.zip", sha512=SHA512)
    assert "https://drive.google.com/uc?id=FILE_ID" in str(caught.value) and leftovers(into) == []
