"""Files from the web: several at once, resumed after a cut, and checked before they count as there."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmark.data.disk_space import require_space
from benchmark.data.remote_file import RemoteFile, part_of, refuse_page, short_reason, verify
from benchmark.data.transfer import Progress, Transfer
from benchmark.errors import UsageError

__all__ = ["Progress", "RemoteFile", "fetch", "fetch_drive"]


def fetch(
    files: Iterable[RemoteFile],
    base_url: str,
    folder: Path,
    *,
    workers: int = 4,
    progress: Progress | None = None,
    backoff: float = 1.0,
) -> None:
    """Bring `files` from below `base_url` into `folder`, `workers` at a time; what is there already is only verified.

    An unfinished file is kept as ``NAME.part`` and continued by the next call, unless the server's file has changed.
    backoff: seconds before the first retry, doubled each time. UsageError, in one line with the address, for what does
    not go away by itself: the others then stop where they are.
    """
    files = list(files)
    missing = sum(file.size or 0 for file in files if not (folder / file.local).is_file())
    begun = sum(part.stat().st_size for file in files if (part := part_of(folder / file.local)).is_file())
    require_space(folder, max(0, missing - begun))
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        transfers = [pool.submit(Transfer(file, base_url, folder, progress, backoff, stop).run) for file in files]
        try:
            for transfer in as_completed(transfers):
                transfer.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def fetch_drive(file_id: str, target: Path, *, sha512: str = "") -> None:
    """Bring a public Google Drive file to `target` through gdown, which resumes and shows progress itself."""
    import gdown
    import requests
    from gdown.exceptions import DownloadError, FileURLRetrievalError

    address = f"https://drive.google.com/uc?id={file_id}"
    file = RemoteFile(address, sha512=sha512)
    if target.is_file():
        verify(target, file, address)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    try:
        gdown.download(id=file_id, output=str(part), resume=True)
    except (DownloadError, FileURLRetrievalError, requests.RequestException, OSError) as error:
        raise UsageError(
            f"{address}: {short_reason(error)}; fetch it with a browser and save it as {target}"
        ) from error
    try:
        with part.open("rb") as content:
            refuse_page(address, "", content.read(1024))
    except UsageError:  # resumed, a page would stay the beginning of the file
        part.unlink()
        raise
    verify(part, file, address, remove=True)
    part.rename(target)
