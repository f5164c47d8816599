"""Names of strategies, streams, sources and backbones; nothing is imported before it is used.

Installed packages add to them through the entry-point groups ``selora_bench.strategies``, ``.streams``, ``.sources``
and ``.backbones``; any of them can also be given as ``path/to/file.py:Class``.
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

Kind = Literal["strategies", "streams", "sources", "backbones"]


@dataclass(frozen=True)
class Entry:
    """target: ``module:attribute``. argument: what may follow the name after a colon, in a word; none if empty."""

    target: str
    summary: str = ""
    argument: str = ""


_TORCHVISION = "benchmark.sources.torchvision_sets:TorchvisionSource"
_IMAGENET = "benchmark.sources.imagenet:ImageNetSource"

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
        "domainnet": Entry("benchmark.streams.domainnet:DomainNetStream", "six domains, 345 classes, official lists"),
        "dn4il": Entry(
            "benchmark.streams.domainnet:DN4ILStream", "DomainNet's balanced 100-class subset, the one to start with"
        ),
        "folder": Entry("benchmark.streams.folder:FolderStream", "a folder DOMAIN/CLASS/IMAGE", "PATH"),
        "pacs": Entry("benchmark.streams.domain_sets:PACS", "PACS: 4 styles, 7 classes"),
        "officehome": Entry("benchmark.streams.domain_sets:OfficeHome", "Office-Home: 4 styles, 65 classes"),
        "vlcs": Entry("benchmark.streams.domain_sets:VLCS", "VLCS: photographs of 4 collections, 5 classes"),
        "terra-incognita": Entry("benchmark.streams.domain_sets:TerraIncognita", "camera traps, 4 places"),
        "imagenet-r-styles": Entry("benchmark.streams.domain_sets:ImageNetRStyles", "ImageNet-R by style (by hand)"),
        "mtil": Entry("benchmark.streams.mtil:MTIL", "11 data sets, each with its own classes, as in ZSCL"),
    },
    "sources": {
        "aircraft": Entry(_TORCHVISION, "FGVC Aircraft, 100 variants"),
        "caltech101": Entry(_TORCHVISION, "Caltech-101 objects"),
        "cars": Entry(_TORCHVISION, "Stanford Cars, 196 models (put in place by hand)"),
        "cifar10": Entry(_TORCHVISION, "CIFAR-10 objects, 32 px"),
        "cifar100": Entry(_TORCHVISION, "CIFAR-100 objects, 32 px"),
        "dtd": Entry(_TORCHVISION, "Describable Textures, 47 kinds"),
        "eurosat": Entry(_TORCHVISION, "EuroSAT, 10 kinds of land from above"),
        "flowers": Entry(_TORCHVISION, "Oxford Flowers, 102 kinds"),
        "food101": Entry(_TORCHVISION, "Food-101 dishes"),
        "mnist": Entry(_TORCHVISION, "MNIST digits, 28 px"),
        "pets": Entry(_TORCHVISION, "Oxford-IIIT Pets, 37 breeds"),
        "stl10": Entry(_TORCHVISION, "STL-10 objects, 96 px"),
        "sun397": Entry(_TORCHVISION, "SUN397 scenes"),
        "imagenet-val": Entry(_IMAGENET, "ImageNet's validation images (put in place by hand)"),
        "imagenet-v2": Entry(_IMAGENET, "ImageNet-V2 (by hand)"),
        "imagenet-a": Entry(_IMAGENET, "ImageNet-A, 200 classes (by hand)"),
        "imagenet-r": Entry(_IMAGENET, "ImageNet-R, 200 classes (by hand)"),
        "imagenet-sketch": Entry(_IMAGENET, "ImageNet-Sketch (by hand)"),
        "folder": Entry("benchmark.sources.class_folders:FolderSource", "a folder CLASS/IMAGE", "PATH"),
    },
    "backbones": {
        "glyphclip": Entry("benchmark.backbones.glyphclip:GlyphCLIP", "small CLIP of rendered characters, embedded"),
        "clip": Entry("benchmark.backbones.clip:OpenCLIP", "a CLIP of open_clip, or a checkpoint", "MODEL/PRETRAINED"),
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
    """(object, argument) of ``name`` or ``name:argument``; UsageError names the nearest known name.

    A class of a file, ``path/to/file.py:Class``, takes no argument; its attribute ``source`` is the file's hash.
    """
    head, _, argument = name.partition(":")
    known = entries(kind)
    if head not in known:
        if ".py" in name:
            loaded = class_in_file(name)
            loaded.cls.source = loaded.source
            return loaded.cls, ""
        raise unknown(kind.removesuffix("s").replace("strategie", "strategy"), head, known)
    entry = known[head]
    if argument and not entry.argument:
        raise UsageError(f"'{head}' takes nothing after a colon, got '{name}'")
    if entry.argument and not argument:
        raise UsageError(f"'{head}' needs {head}:{entry.argument}")
    module, _, attribute = entry.target.partition(":")
    return getattr(importlib.import_module(module), attribute), argument


@dataclass(frozen=True)
class Loaded:
    """name: for tables. source: hash of the file it was read from, empty for an installed one."""

    name: str
    cls: type
    source: str = ""


def strategy_class(name: str) -> Loaded:
    """The strategy behind a registered name or ``path/to/file.py:Class``."""
    return class_in_file(name) if ".py" in name else Loaded(name, resolve("strategies", name)[0])


def class_in_file(name: str) -> Loaded:
    """The class of ``path/to/file.py:Class``; UsageError says why there is none."""
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
    return Loaded(attribute, getattr(module, attribute), hashlib.sha256(text).hexdigest()[:12])
