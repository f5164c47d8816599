"""A miniature DomainNet in exactly the official form, and a loopback server that can be told to misbehave.

    mini = build_miniature(tmp_path / "served")              # archives, lists, expected.json
    with serve(mini) as server:                              # server.url is the base address
        use_miniature(monkeypatch, mini, server.url)         # `--stream domainnet` now means it, in this process
        run_suite.main(["--stream", "domainnet", "--download", "--data-root", str(root), ...])

345 classes x 6 domains; as in the official files, painting has no t-shirt to train on and no syringe to test.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.data.download import RemoteFile
from benchmark.data.options import DataOptions
from benchmark.registry import BUILTIN, Entry
from benchmark.streams.domainnet import DN4ILStream, DomainNetStream
from benchmark.streams.domainnet.class_names import DN4IL_FOLDERS, DOMAINNET_FOLDERS
from benchmark.streams.listed import ListFile

SIDE = 32
VARIABLE = "SELORA_BENCH_MINIATURE"
"""Names the folder of expected.json, in child processes too."""
ONLY_TESTED, ONLY_TRAINED = "t-shirt", "syringe"


class MiniatureDomainNet(DomainNetStream):
    """DomainNet with the miniature's numbers and checksums instead of the published ones."""

    def __init__(self, data: DataOptions) -> None:
        super().__init__(data)
        _expect(self, "lists")


class MiniatureDN4IL(DN4ILStream):
    """DN4IL on the miniature's images."""

    def __init__(self, data: DataOptions) -> None:
        super().__init__(data)
        _expect(self, "dn4il")


def _expect(stream: DomainNetStream, lists: str) -> None:
    expected = json.loads((Path(os.environ[VARIABLE]) / "expected.json").read_text())
    stream.archives = {name: RemoteFile(**entry) for name, entry in expected["archives"].items()}
    stream.lists = {(name, split): ListFile(*entry) for name, split, *entry in expected[lists]}
    stream.archives_url = expected["url"]
    stream.lists_url = expected["url"] + stream.mirrored_lists


def use_miniature(monkeypatch, folder: Path, url: str) -> None:
    """Make the names `domainnet` and `dn4il` mean the miniature in `folder`, served at `url`."""
    expected = json.loads((folder / "expected.json").read_text())
    (folder / "expected.json").write_text(json.dumps({**expected, "url": url}))
    monkeypatch.setenv(VARIABLE, str(folder))
    for name, attribute in (("domainnet", "MiniatureDomainNet"), ("dn4il", "MiniatureDN4IL")):
        monkeypatch.setitem(BUILTIN["streams"], name, Entry(f"tests.miniature:{attribute}", "miniature"))


def build_miniature(folder: Path, train: int = 1, test: int = 1) -> Path:
    """Archives and lists in the layout of the authors' server; `train` and `test` images of each class and domain."""
    archives, lists, subset = {}, [], []
    for domain in DomainNetStream.domains:
        lines = {"train": [], "test": []}
        remote = DomainNetStream.archives[domain].path
        path = folder / remote
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for label, name in enumerate(DOMAINNET_FOLDERS):
                for number in range(train + test):
                    split = "train" if number < train else "test"
                    if domain == "painting" and name == {"train": ONLY_TESTED, "test": ONLY_TRAINED}[split]:
                        continue
                    suffix = "png" if domain == "quickdraw" else "jpg"
                    file = f"{domain}/{name}/{domain}_{label + 1:03}_{number + 1:06}.{suffix}"
                    archive.writestr(zipfile.ZipInfo(file), _image(domain, label, number, suffix))
                    lines[split].append(f"{file} {label}")
        archives[domain] = {"path": remote, "size": path.stat().st_size, "sha512": _sha512(path)[:54]}
        for split, found in lines.items():
            smaller = [_in_dn4il(line) for line in found if line.split("/")[1] in DN4IL_FOLDERS]
            lists.append([domain, split, *_write_list(folder / "domainnet/txt" / f"{domain}_{split}.txt", found)])
            subset.append([domain, split, *_write_list(folder / "dn4il" / f"{domain}_{split}.txt", smaller)])
    expected = {"url": "", "archives": archives, "lists": lists, "dn4il": subset}
    (folder / "expected.json").write_text(json.dumps(expected))
    return folder


def _in_dn4il(line: str) -> str:
    return f"{line.split(' ')[0]} {DN4IL_FOLDERS.index(line.split('/')[1])}"


def _write_list(path: Path, lines: list[str]) -> tuple[str, int, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path.name, len(lines), _sha512(path)


def _sha512(path: Path) -> str:
    return hashlib.sha512(path.read_bytes()).hexdigest()


def _image(domain: str, label: int, number: int, suffix: str) -> bytes:
    """Noise around a colour of the class: small files of which no two are the same."""
    place = DomainNetStream.domains.index(domain)
    rng = np.random.default_rng([place, label, number])
    colour = np.random.default_rng(label).integers(40, 216, 3)
    grid = np.clip(colour + rng.integers(-40, 40, (4, 4, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(
        buffer, format={"jpg": "JPEG"}.get(suffix, "PNG")
    )
    return buffer.getvalue()


@dataclass
class Faults:
    """What the server does wrong, by path; each list is used up from its beginning.

    cut: after so many bytes of an answer the connection breaks. status: answered instead of the file.
    replaced: other bytes than the file's. kind: another content type. no_range: the header Range is ignored.
    """

    cut: dict[str, list[int]] = field(default_factory=dict)
    status: dict[str, list[int]] = field(default_factory=dict)
    replaced: dict[str, bytes] = field(default_factory=dict)
    kind: dict[str, str] = field(default_factory=dict)
    no_range: bool = False
    no_etag: bool = False


@dataclass
class Server:
    """url: base address, with a slash at its end. asked: the ranges asked for, by path; "" for a whole file."""

    url: str
    faults: Faults
    asked: dict[str, list[str]]


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """The files below `folder` on a loopback address, until the block ends."""
    faults, asked = Faults(), defaultdict(list)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, folder, faults, asked)

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{httpd.server_port}/", faults, asked)
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, folder: Path, faults: Faults, asked: dict[str, list[str]]) -> None:
    name = handler.path.lstrip("/")
    span = handler.headers.get("Range", "")
    asked[name].append(span)
    if faults.status.get(name):
        handler.send_error(faults.status[name].pop(0))
        return
    if name not in faults.replaced and not (folder / name).is_file():
        handler.send_error(404)
        return
    content = faults.replaced[name] if name in faults.replaced else (folder / name).read_bytes()
    etag = f'"{hashlib.md5(content).hexdigest()}"'
    start = int(span.removeprefix("bytes=").rstrip("-")) if span and not faults.no_range else 0
    if handler.headers.get("If-Range", etag) != etag:
        start = 0
    if start and start >= len(content):
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(content) - start))
    handler.send_header("Content-Type", faults.kind.get(name, "application/octet-stream"))
    if not faults.no_etag:
        handler.send_header("ETag", etag)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.end_headers()
    cut = faults.cut[name].pop(0) if faults.cut.get(name) else None
    handler.wfile.write(content[start:][:cut])
