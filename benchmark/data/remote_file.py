"""A published file: where it is, and what tells that it came as it should."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UsageError


@dataclass(frozen=True)
class RemoteFile:
    """path: relative to the base address. target: relative to the folder fetched into; if empty, `path`'s last part.

    size: published bytes, roughly; None if unknown. sha512: hexadecimal, all of it or its beginning; if empty, unknown.
    """

    path: str
    target: str = ""
    size: int | None = None
    sha512: str = ""

    @property
    def local(self) -> str:
        """Where the file goes, relative to the folder."""
        return self.target or self.path.rsplit("/", 1)[-1]


def part_of(target: Path) -> Path:
    """The file beside `target` that is being written."""
    return target.with_name(target.name + ".part")


def refuse_page(url: str, kind: str, beginning: bytes) -> None:
    """UsageError for a web page, told by content type `kind` or its `beginning`: some servers send it for an error."""
    page = beginning[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if (page or kind.startswith("text/html")) and not url.endswith((".html", ".htm")):
        raise UsageError(f"{url}: the server sent a web page instead of the file; try another with --mirror URL")


def verify(path: Path, file: RemoteFile, url: str, remove: bool = False) -> None:
    """UsageError unless `path` has the published sha512, if there is one; `remove` takes a wrong file away."""
    if not file.sha512:
        return
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha512").hexdigest()
    if found.startswith(file.sha512):
        return
    if remove:
        path.unlink()
    what = f"the file from {url} was removed" if remove else f"{path} is not the published file; remove it"
    raise UsageError(
        f"{path.name.removesuffix('.part')}: sha512 is {found[:16]}..., expected {file.sha512[:16]}...: {what}; "
        f"fetch it again, or from another server with --mirror URL"
    )


def short_reason(error: Exception) -> str:
    """The innermost cause in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.split("Caused by ", 1)[-1].strip("()")
    return text if len(text) < 160 else text[:157] + "..."
