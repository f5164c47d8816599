"""MTIL: eleven data sets, each a task with its own classes (ZSCL, Zheng et al. 2023, arXiv 2303.06628)."""

from __future__ import annotations

from typing import ClassVar

from benchmark.streams.source_stream import SourceStream


class MTIL(SourceStream):
    """Multi-domain task-incremental learning for CLIP; METRICS' `transfer` and `avg` are its figures.

    `order-1` is alphabetical by the paper's names; `order-2` is as scripts that follow ZSCL's command line give it, not
    verified here against the paper. Splits are this project's (`benchmark.sources.torchvision_sets`): where a data set
    has no official test split they differ from ZSCL's, so that its published figures are near but not the same task.
    """

    name = "mtil"
    domains = (
        "aircraft", "caltech101", "cifar100", "dtd", "eurosat", "flowers", "food101", "mnist", "pets", "cars", "sun397",
    )  # fmt: skip
    named_orders: ClassVar = {
        "order-1": domains,
        "order-2": (
            "cars", "food101", "mnist", "pets", "flowers", "sun397", "aircraft", "caltech101", "dtd", "eurosat",
            "cifar100",
        ),
    }  # fmt: skip
