"""Files that go into the page: templates, style, scripts, and the libraries as they are installed."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("dom.js", "unpack.js", "theme.js", "tables.js", "board.js", "plots.js", "runs.js", "run.js", "main.js")
"""Our own scripts in the order in which they are read; together one module."""
PLOTLY = ("plotly", "package_data/plotly.min.js")
DATATABLES = ("itables", "html/dt_bundle.js")
DATATABLES_CSS = ("itables", "html/dt_bundle.css")
"""Package and file in it; the packages are not imported, which takes longer than the whole page."""


def template(name: str) -> Template:
    """A template in which every value is escaped."""
    return _templates().get_template(name)


def text(name: str) -> str:
    """One of our own files."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def scripts() -> str:
    """Our scripts, one after another."""
    return "\n".join(text(name) for name in SCRIPTS)


def policy(script: str) -> str:
    """What a browser lets the page do: run `script` and the packed libraries, and ask no address for anything."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def library_css() -> str:
    """The style sheet of DataTables."""
    return _packaged(*DATATABLES_CSS).read_text(encoding="utf-8")


def libraries() -> dict[str, str]:
    """Scripts of others by name, packed: they are not run before they are needed."""
    return {"plotly": _packed_library(*PLOTLY), "datatables": _packed_library(*DATATABLES)}


def packed_json(value: Any) -> str:
    """JSON, packed; ValueError for NaN, which no browser reads."""
    return _packed(json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode())


@functools.cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _packed(data: bytes) -> str:
    """Gzip without a time stamp, as base64."""
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode()


@functools.cache
def _packed_library(package: str, name: str) -> str:
    return _packed(_packaged(package, name).read_bytes())


def _packaged(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the page needs the package '{package}': pip install {package}", name=package)
    return Path(spec.submodule_search_locations[0]) / name
