"""The manifest of a finished data set: what it notices at once, and what only a full check does."""

from __future__ import annotations

import hashlib
import os
import shutil
import time

import pytest

from benchmark.data.manifest import difference, full_difference, read_manifest, write_manifest


@pytest.fixture
def data(tmp_path):
    """Two domains of two classes, and a list; the manifest is written."""
    base = tmp_path / "root"
    for domain in ("clipart", "real"):
        for name in ("ant", "bee"):
            (base / "set" / domain / name).mkdir(parents=True)
            for number in range(3):
                (base / "set" / domain / name / f"{number}.jpg").write_bytes(b"x" * (number + 1))
    (base / "set" / "txt").mkdir()
    (base / "set" / "txt" / "all.txt").write_text("clipart/ant/0.jpg 0\n")
    write_manifest(base / "set" / "manifest.json", base, ["set/clipart", "set/real"], ["set/txt/all.txt"])
    return base


def problem(base):
    return difference(base / "set" / "manifest.json", base)


def full(base):
    return full_difference(base / "set" / "manifest.json", base)


def test_what_it_holds(data):
    content = read_manifest(data / "set" / "manifest.json")
    lines = (data / "set" / "manifest-files.txt").read_text()
    assert lines.splitlines()[:2] == ["set/clipart/ant/0.jpg 1", "set/clipart/ant/1.jpg 2"]
    assert (content["files"], content["bytes"]) == (12, 24)
    assert content["fingerprint"] == hashlib.sha256(lines.encode()).hexdigest()
    assert content["directories"]["set/real/bee"][:2] == [3, 6] and len(content["directories"]) == 6
    expected = hashlib.sha512(b"clipart/ant/0.jpg 0\n").hexdigest()
    assert content["lists"]["set/txt/all.txt"]["sha512"] == expected
    assert problem(data) is None and full(data) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda s: (s / "real/bee/1.jpg").unlink(), "set/real/bee: 2 files, 4 bytes; expected 3, 6"),
        (lambda s: (s / "real/bee/new.jpg").write_bytes(b"y"), "set/real/bee: 4 files, 7 bytes; expected 3, 6"),
        (lambda s: shutil.rmtree(s / "clipart/ant"), "set/clipart/ant is missing"),
        (lambda s: shutil.rmtree(s / "clipart"), "set/clipart is missing"),
        (lambda s: (s / "txt/all.txt").write_text("clipart/ant/0.jpg 1\n"), "set/txt/all.txt has changed"),
        (lambda s: (s / "txt/all.txt").unlink(), "set/txt/all.txt is missing"),
    ],
)
def test_changes_seen_at_once(data, change, found):
    change(data / "set")
    assert problem(data) == found


def test_no_manifest_or_one_of_another_format(data):
    path = data / "set" / "manifest.json"
    for text in ('{"format": 99}', "[]", "{"):
        path.write_text(text)
        assert "no manifest of format 1" in problem(data)
    path.unlink()
    assert "no manifest of format 1" in problem(data)


def test_a_change_in_place_is_seen_by_the_full_check_only(data):
    (data / "set/real/bee/1.jpg").write_bytes(b"")
    assert problem(data) is None
    assert full(data) == ["set/real/bee/1.jpg: 0, expected 2"]
    (data / "set/real/bee/1.jpg").unlink()
    (data / "set/real/bee/new.jpg").write_bytes(b"12")
    assert full(data) == ["set/real/bee/1.jpg: missing, expected 2", "set/real/bee/new.jpg: 2, expected no such file"]


def test_a_copy_is_counted_once_and_then_as_fast_as_the_original(data, tmp_path):
    """Its times are new, its content is not: the manifest takes over the new times."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    for directory in (copy / "set").glob("*/*"):
        os.utime(directory, ns=(1, 1))
    before = (copy / "set" / "manifest.json").read_text()
    assert problem(copy) is None
    after = (copy / "set" / "manifest.json").read_text()
    assert before != after
    assert problem(copy) is None and (copy / "set" / "manifest.json").read_text() == after


def test_the_fast_check_of_a_full_size_tree_takes_well_under_a_second(tmp_path):
    """DomainNet's 6 x 345 directories; 600,000 files would make no difference, as none is looked at."""
    folders = [f"domain{number}" for number in range(6)]
    for folder in folders:
        for label in range(345):
            (tmp_path / folder / f"class{label}").mkdir(parents=True)
            (tmp_path / folder / f"class{label}" / "1.jpg").touch()
    write_manifest(tmp_path / "manifest.json", tmp_path, folders, [])
    start = time.perf_counter()
    assert difference(tmp_path / "manifest.json", tmp_path) is None
    assert time.perf_counter() - start < 0.5
