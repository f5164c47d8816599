"""What a run will cost, before anything is run: counted operations and images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from benchmark.streams.base import Stream
    from benchmark.suite import Plan
    from strategies.base import Strategy, TrainConfig

GPU = "A100"
GPU_PEAK, GPU_SHARE = 312e12, 0.4
"""Dense bf16 operations a second of NVIDIA's A100 (its data sheet), and the share of it that training is assumed to
reach: an assumption, not a measurement."""


@dataclass(frozen=True)
class Cost:
    """training, evaluated: images that go through the model, epochs and stages counted. operations: of all of them."""

    training: int
    evaluated: int
    operations: float

    @property
    def gpu_hours(self) -> float:
        """On one `GPU`, if neither decoding nor memory holds it up."""
        return self.operations / (GPU_PEAK * GPU_SHARE) / 3600


def estimate(
    stream: Stream, order: tuple[str, ...], strategy: Strategy, train: TrainConfig, forward: float, text_head: bool
) -> Cost:
    """The cost of one run. forward: operations of the tower for one image, `forward_operations`.

    A training image costs `strategy.training_passes` forward passes, an evaluated one a single pass. What is
    measured only once for equal parameters is counted once.
    """
    learned = sum(stream.count(domain, "train") for domain in order)
    held = round(learned * train.val_fraction)
    training = (learned - held) * train.epochs
    tests = sum(stream.count(domain, "test") for domain in order) + held
    unseen = sum(stream.count(name, "test") for name in stream.ood)
    # k-NN embeds its bank with the adapted tower, each time.
    bank = 0 if text_head else sum(stream.count(name, "train") for name in stream.ood)
    stages = 2 if strategy.offline else len(order) + 1
    if strategy.head_only and text_head:  # nothing is trained, so nothing is measured twice
        training, stages = 0, 1
    evaluated = stages * (tests + unseen + bank)
    if strategy.needs_task_id:
        evaluated += 2 * tests + stages * (unseen + bank)  # the domain given: a domain's parameters change once
        evaluated += tests + unseen + learned - held  # the base features of all, for the router
        evaluated += bank * stages * (stages - 1) // 2  # the router may send images to every domain learned so far
    return Cost(training, evaluated, forward * (strategy.training_passes * training + evaluated))


def forward_operations(tower: nn.Module, side: int) -> int:
    """Floating-point operations (a multiply-add is two) of `tower`, on the meta device, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        tower(torch.empty(1, 3, side, side))
    return counter.get_total_flops()


def decoding_rate(stream: Stream, domain: str, side: int, images: int = 200) -> float | None:
    """Images a second that one process decodes and resizes here, measured on some of `domain`; None without data."""
    from benchmark.data.dataset import Cache, DecodedImages

    try:
        found = stream.load(domain, "train")
    except (UsageError, OSError):
        return None
    step = max(1, len(found) // images)
    sample = DecodedImages(found, side, "bicubic", range(0, len(found), step)[:images], Cache(0))
    if not len(sample):
        return None
    sample[0]
    start = time.perf_counter()
    for position in range(len(sample)):
        sample[position]
    return len(sample) / (time.perf_counter() - start)


def show_cost(suite: Plan, console: Any) -> None:
    """Print a table of what each strategy's run will cost; nothing for a plugged-in backbone without `skeleton`."""
    from rich.table import Table

    if not hasattr(suite.backbone, "skeleton"):
        return
    try:
        (tower, side), text_head = suite.backbone.skeleton(), suite.backbone.has_text_head
    except UsageError as error:
        print(f"no estimate of the cost: {error}")
        return
    forward = forward_operations(tower, side)
    hours = 0.0
    table = Table("strategy", "training images", "evaluated images", "PFLOP", f"{GPU} hours", title="cost of one run")
    strategies = {run.spec.strategy["name"]: run for run in suite.runs}.values()
    for run in strategies:
        try:
            cost = estimate(suite.stream, run.spec.order, run.strategy, run.spec.train, forward, text_head)
        except UsageError as error:
            print(f"no estimate of the cost: {error}")
            return
        hours += cost.gpu_hours * len(suite.runs) / len(strategies)
        figures = f"{cost.training:,}", f"{cost.evaluated:,}", f"{cost.operations / 1e15:,.2f}", f"{cost.gpu_hours:.2f}"
        table.add_row(run.spec.strategy["name"], *figures)
    console.print(table)
    rate = decoding_rate(suite.stream, suite.runs[0].spec.order[0], side)
    print(f"All {len(suite.runs)} runs: {hours:.2f} hours on one {GPU}.")
    print(
        f"Counted: {forward / 1e9:.2f} GFLOP a forward pass at {side} px. Hours: at {GPU_SHARE:.0%} of {GPU}'s "
        f"{GPU_PEAK / 1e12:.0f} TFLOP/s in bf16 (assumed), decoding and loading apart."
    )
    if rate:
        print(f"Decoding here: {rate:,.0f} images/s a process (measured now); --workers N divides the time.")
