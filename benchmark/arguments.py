"""The command line's options, and the suite's configuration made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.options import VARIABLE, DataOptions, default_root

if TYPE_CHECKING:
    from benchmark.suite import SuiteConfig


def run_parser(description: str | None) -> argparse.ArgumentParser:
    """Options of `run`."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("run_suite.py", description=description, formatter_class=raw, allow_abbrev=False)
    add_stream(parser)
    add = parser.add_argument_group("what is compared").add_argument
    add("--backbone", default="glyphclip", help="NAME, clip:MODEL/PRETRAINED or timm:NAME[@FILE] (default: glyphclip)")
    add("--towers", default="image", help="what of a CLIP is adapted: image or both (default: image)")
    add("--image-size", type=int, help="input side in pixels (default: the backbone's)")
    add("--templates", default="default", help="prompt set: simple, openai-7 or openai-80 (default: the stream's)")
    add("--strategies", nargs="+", metavar="S", help="names or FILE.py:CLASS (default: all built in)")
    add("--set", nargs="+", action="extend", default=[], metavar="S.FIELD=V", help="e.g. selora.budget=0.05")
    add("--seeds", nargs="+", type=int, default=[0], metavar="N", help="one run of each strategy a seed (default: 0)")
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=int, help="passes over each domain (default: 4)")
    add("--batch-size", type=int, help="images in a training step (default: 32)")
    add("--clip-grad-norm", type=float, help="largest norm of a step's gradient (default: 1)")
    add("--augment", help="none, shift or crop-flip (default: the stream's)")
    add("--precision", help="fp32, or bf16 or fp16 autocast (default: fp32)")
    add = parser.add_argument_group("computing (changes no result but by rounding)").add_argument
    add("--device", default="cpu", help="cpu, cuda, cuda:N or mps (default: cpu)")
    add("--workers", type=int, default=0, help="processes that decode images (default: 0, this one)")
    add("--accumulate", type=int, default=1, metavar="N", help="split each batch in N parts to fit memory (default: 1)")
    add("--compile", action="store_true", help="compile the transformer blocks")
    add_results(parser)
    parser.add_argument("--save-adapters", action="store_true", help="write each task's blocks for selora and peft")
    parser.add_argument("--dry-run", action="store_true", help="show the runs and what they will cost, and stop")
    parser.add_argument("--force", action="store_true", help="run again what is done")
    return parser


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Options that say which data."""
    add = parser.add_argument_group("data").add_argument
    add("--stream", default="digits", help="NAME, folder:PATH or FILE.py:CLASS (default: digits)")
    add("--order", default="default", help="a named order, or domains separated by commas")
    add("--hold-out", nargs="+", default=[], metavar="DOMAIN", help="keep domains unseen, as out-of-domain sets")
    add("--ood", nargs="+", default=[], metavar="SET", help="out-of-domain sets: names or folder:PATH (see ls)")
    add("--per-class", type=int, metavar="N", help="at most N training images of each class of a domain")
    add("--fraction", type=float, metavar="F", help="a part of the training images of each class")
    add("--test-per-class", type=int, metavar="N", help="at most N test images of each class")
    add("--subset-seed", type=int, default=0, metavar="N", help="which images such a part holds (default: 0)")
    add("--data-root", metavar="DIR", help=f"where data sets are (default: ${VARIABLE}, else {default_root()})")
    add("--download", action="store_true", help="fetch what is missing")
    add("--mirror", metavar="URL", help="fetch from here instead of the data set's own address")
    add("--original", action="store_true", help="a data set's original files where there are cleaned ones")
    add("--deduplicate", action="store_true", help="leave out files that a published list names as duplicates")
    add(
        "--on-bad-image", choices=("fail", "skip"), default="fail", help="what an unreadable image does (default: fail)"
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Where results are."""
    parser.add_argument("--results", default="results", metavar="DIR", help="results folder (default: results)")


def suite_config(options: argparse.Namespace) -> SuiteConfig:
    """What `run_parser` read, as a configuration; UsageError for a value that cannot be."""
    from benchmark.errors import UsageError
    from benchmark.settings import parse_settings
    from benchmark.suite import ALL_STRATEGIES, SuiteConfig
    from strategies.compute import Compute

    train = ("epochs", "batch_size", "augment", "clip_grad_norm", "precision")
    try:
        compute = Compute(options.device, options.workers, options.accumulate, options.compile)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return SuiteConfig(
        **stream_fields(options),
        backbone=options.backbone,
        towers=options.towers,
        image_size=options.image_size,
        templates=options.templates,
        strategies=tuple(dict.fromkeys(options.strategies or ALL_STRATEGIES)),
        seeds=tuple(dict.fromkeys(options.seeds)),
        train={name: getattr(options, name) for name in train if getattr(options, name) is not None},
        settings=parse_settings(options.set),
        compute=compute,
        adapters=options.save_adapters,
    )


def stream_fields(options: argparse.Namespace) -> dict:
    """The fields of `SuiteConfig` that say which data."""
    root = Path(options.data_root).expanduser() if options.data_root else default_root()
    return {
        "stream": options.stream,
        "order": options.order,
        "hold_out": tuple(options.hold_out),
        "ood": tuple(dict.fromkeys(options.ood)),
        "per_class": options.per_class,
        "fraction": options.fraction,
        "test_per_class": options.test_per_class,
        "subset_seed": options.subset_seed,
        "data": DataOptions(root, options.mirror, options.original, options.deduplicate, options.on_bad_image),
        "download": options.download,
    }
