"""Names of strategies, streams and backbones; nothing is imported before it is used.

Installed packages add to them through the entry-point groups ``selora_bench.strategies``, ``.streams`` and
``.backbones``; a strategy can also be given as ``path/to/file.py:Class``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UsageError, unknown

Kind = Literal["strategies", "streams", "backbones"]


@dataclass(frozen=True)
class Entry:
    """target: ``module:attribute``. argument: what may follow the name after a colon, in a word; none if empty."""

    target: str
    summary: str = ""
    argument: str = ""


BUILTIN: dict[Kind, dict[str, Entry]] = {
    "strategies": {
        "zero-shot": Entry("strategies.finetune:ZeroShot", "no training (linear probe where there is no text head)"),
        "finetune": Entry("strategies.finetune:Finetune", "naive sequential fine-tuning of all weights"),
        "joint": Entry("strategies.finetune:Joint", "fine-tuning on all domains at once: the upper bound"),
        "ewc": Entry("strategies.regularization:EWC", "elastic weight consolidation"),
        "lwf": Entry("strategies.regularization:LwF", "learning without forgetting"),
        "lora": Entry("strategies.lora:LoRA", "plain LoRA, one adapter through the stream"),
        "taps": Entry("strategies.taps:TAPS", "gated full-rank updates, one set a task"),
        "selora": Entry("strategies.selective_lora:SelectiveLoRA", "Selective LoRA, blocks and mask of every task"),
        "selora-merged": Entry("strategies.selective_lora:SelectiveLoRAMerged", "Selective LoRA merged into one model"),
    },
    "streams": {
        "digits": Entry("benchmark.streams.digits:DigitsStream", "five domains of digits, embedded, no download"),
        "folder": Entry("benchmark.streams.folder:FolderStream", "a folder DOMAIN/CLASS/IMAGE", "PATH"),
    },
    "backbones": {
        "glyphclip": Entry("benchmark.backbones.glyphclip:GlyphCLIP", "small CLIP of rendered characters, embedded"),
        "timm": Entry("benchmark.backbones.timm_vit:TimmViT", "a timm vision transformer", "NAME[@FILE]"),
    },
}


def entries(kind: Kind) -> dict[str, Entry]:
    """Name -> entry, built in and from installed packages; imports none of them."""
    found = dict(BUILTIN[kind])
    for point in importlib.metadata.entry_points(group=f"selora_bench.{kind}"):
        found.setdefault(point.name, Entry(point.value, f"from {point.dist.name}" if point.dist else ""))
    return found


def resolve(kind: Kind, name: str) -> tuple[Any, str]:
    """(object, argument) of ``name`` or ``name:argument``; UsageError names the nearest known name."""
    head, _, argument = name.partition(":")
    known = entries(kind)
    if head not in known:
        raise unknown(kind.removesuffix("s").replace("strategie", "strategy"), head, known)
    entry = known[head]
    if argument and not entry.argument:
        raise UsageError(f"'{head}' takes nothing after a colon, got '{name}'")
    if entry.argument and not argument:
        raise UsageError(f"'{head}' needs {head}:{entry.argument}")
    module, _, attribute = entry.target.partition(":")
    return getattr(importlib.import_module(module), attribute), argument


@dataclass(frozen=True)
class LoadedStrategy:
    """name: for tables. source: hash of the file it was read from, empty for an installed one."""

    name: str
    cls: type
    source: str = ""


def strategy_class(name: str) -> LoadedStrategy:
    """The class behind a registered name or ``path/to/file.py:Class``."""
    if ".py" not in name:
        return LoadedStrategy(name, resolve("strategies", name)[0])
    file, _, attribute = name.rpartition(":")
    if not file.endswith(".py") or not attribute:
        raise UsageError(f"'{name}': expected FILE.py:CLASS")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"'{name}': there is no file {path}")
    text = path.read_bytes()
    spec = importlib.util.spec_from_file_location(f"plugged_in_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises is the user's to see, in one line
        raise UsageError(f"'{name}': importing {path} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        classes = [n for n, value in vars(module).items() if isinstance(value, type)]
        raise unknown(f"class in {path}", attribute, classes)
    return LoadedStrategy(attribute, getattr(module, attribute), hashlib.sha256(text).hexdigest()[:12])
