"""Archives into folders: nothing outside the folder, all or nothing."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from benchmark.data.download import Progress
from benchmark.errors import UsageError

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)
"""What the archive modules raise on content that is not as it was packed."""


def extract(
    archive: Path, folder: Path, *, inside: str = "", keep: bool = False, progress: Progress | None = None
) -> None:
    """Unpack a zip or (compressed) tar `archive`, which then is removed unless `keep`; `folder` must not exist yet.

    inside: the folder in the archive that becomes `folder`, the rest being left out; all of it if empty.
    Every member is looked at before anything is written: UsageError names one that is an absolute path, leads out with
    ``..``, or is neither a file nor a folder. Unpacked beside `folder` and renamed: a kill leaves no half folder, and
    the next call starts again.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already; remove it to unpack {archive} again")
    beside = folder.with_name(f".{folder.name}.extracting")
    if beside.exists():
        shutil.rmtree(beside)
    with _readable(archive):
        if zipfile.is_zipfile(archive):
            _unzip(archive, beside, progress)
        else:
            _untar(archive, beside, progress)
    content = beside / inside
    if not content.is_dir():
        found = ", ".join(sorted(path.name for path in beside.iterdir())[:3])
        shutil.rmtree(beside)
        raise UsageError(f"{archive}: expected a folder {inside}/ in it, found {found}; is it another file's copy?")
    content.rename(folder)
    if inside:
        shutil.rmtree(beside)
    if not keep:
        archive.unlink()


def _unzip(archive: Path, folder: Path, progress: Progress | None) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        _refuse_names(archive, [member.filename for member in members])
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the packer stored no Unix mode
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, member.filename, "is a link or a special file")
            if member.flag_bits & 1:
                raise _refused(archive, member.filename, "is encrypted")
        done, total = 0, sum(member.file_size for member in members)
        folder.mkdir(parents=True)
        for member in members:
            opened.extract(member, folder)
            done += member.file_size
            if progress:
                progress(archive.name, done, total)


def _untar(archive: Path, folder: Path, progress: Progress | None) -> None:
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
        _refuse_names(archive, [member.name for member in members])
        for member in members:
            if not (member.isreg() or member.isdir()):
                raise _refused(archive, member.name, "is a link or a special file")
        done, total = 0, sum(member.size for member in members)
        folder.mkdir(parents=True)
        for member in members:
            opened.extract(member, folder, filter="data")
            done += member.size
            if progress:
                progress(archive.name, done, total)


def _refuse_names(archive: Path, names: list[str]) -> None:
    for name in names:
        windows = PureWindowsPath(name)
        if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
            raise _refused(archive, name, "is an absolute path")
        if ".." in windows.parts:  # which splits at both kinds of slashes
            raise _refused(archive, name, "leads out of the folder")


def _refused(archive: Path, member: str, why: str) -> UsageError:
    return UsageError(
        f"{archive}: member '{member}' {why}; nothing was unpacked: remove the archive and fetch it from a source you "
        f"trust"
    )


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{archive}: damaged archive ({reason}); remove it and fetch it again") from error
