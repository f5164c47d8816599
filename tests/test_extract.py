"""Archives: nothing outside the folder, all or nothing, again after a kill."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmark.data.extract import extract
from benchmark.errors import UsageError

GOOD = {"photo/dog/1.jpg": b"one", "photo/dog/2.jpg": b"two", "photo/cat/3.jpg": b"three"}


def make_zip(path, members=GOOD, modes=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0) << 16
            archive.writestr(info, content)
    return path


def make_tar(path, members=GOOD, special=()):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return path


def tar_member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[make_zip, make_tar], ids=["zip", "tar.gz"])
def archive(request, tmp_path):
    return request.param(tmp_path / ("a.zip" if request.param is make_zip else "a.tar.gz"))


def test_an_archive_becomes_a_folder_and_goes(archive, tmp_path):
    seen = []
    extract(archive, tmp_path / "out" / "all", progress=lambda *event: seen.append(event))
    assert tree(tmp_path / "out" / "all") == GOOD
    assert not archive.exists() and seen[-1] == (archive.name, 11, 11)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["all"]


def test_a_folder_inside_and_the_archive_kept(archive, tmp_path):
    extract(archive, tmp_path / "photo", inside="photo", keep=True)
    assert tree(tmp_path / "photo") == {name.removeprefix("photo/"): content for name, content in GOOD.items()}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([archive.name, "photo"])
    with pytest.raises(UsageError, match="photo is there already; remove it"):
        extract(archive, tmp_path / "photo", inside="photo")


def test_another_archive_than_expected(archive, tmp_path):
    with pytest.raises(UsageError, match=r"expected a folder clipart/ in it, found photo"):
        extract(archive, tmp_path / "clipart", inside="clipart")
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


OUTSIDE = ["../evil.txt", "photo/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:\\evil.txt", "\\evil.txt"]


def refused(archive, tmp_path, member, why):
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as caught:
        extract(archive, tmp_path / "out")
    message = str(caught.value)
    assert f"member '{member}' {why}; nothing was unpacked" in message and "\n" not in message
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_paths_outside_are_refused_before_anything_is_written(tmp_path, make, name):
    why = "leads out of the folder" if ".." in name else "is an absolute path"
    refused(make(tmp_path / "a", {**GOOD, name: b"evil"}), tmp_path, name, why)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_in_a_zip_are_refused(tmp_path, mode):
    archive = make_zip(tmp_path / "a.zip", {**GOOD, "link": b"/etc/passwd"}, {"link": mode | 0o777})
    refused(archive, tmp_path, "link", "is a link or a special file")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_in_a_tar_are_refused(tmp_path, kind):
    archive = make_tar(tmp_path / "a.tar.gz", special=[tar_member("link", kind, "photo/dog/1.jpg")])
    refused(archive, tmp_path, "link", "is a link or a special file")


def test_a_damaged_archive_leaves_no_folder(archive, tmp_path):
    content = archive.read_bytes()
    damaged = bytearray(content)
    place = content.find(b"two") if archive.suffix == ".zip" else len(content) // 2
    damaged[place] ^= 0xFF
    archive.write_bytes(bytes(damaged))
    with pytest.raises(UsageError, match=r"damaged archive .*; remove it and fetch it again"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists() and archive.exists()
    archive.write_bytes(content)
    extract(archive, tmp_path / "out")  # what the failed one left behind is no obstacle
    assert tree(tmp_path / "out") == GOOD


def test_a_cut_archive_is_damaged(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(UsageError, match="damaged archive"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_kill_in_the_middle_leaves_no_folder_and_the_next_call_begins_again(archive, tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from benchmark.data.extract import extract\n"
        "extract(Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda *event: os._exit(9))"
    )
    call = [sys.executable, "-c", code, str(archive), str(tmp_path / "out")]
    assert subprocess.run(call, cwd=Path(__file__).parent.parent, check=False).returncode == 9
    assert not (tmp_path / "out").exists() and archive.exists()
    assert tree(tmp_path / ".out.extracting") != {}
    extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == GOOD and [path.name for path in tmp_path.iterdir()] == ["out"]
