"""The one Avalanche template that every strategy trains with; all mends of Avalanche's loop are here.

What is mended: the optimiser takes trainable parameters only and is rebuilt for every experience, after the
strategy has prepared the task; a schedule is bound to it; gradients are clipped; every domain carries one constant
task label, so that nothing is rebalanced.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from strategies.avalanche_imports import (
    CLExperience,
    ConstantSequence,
    DataAttribute,
    SupervisedTemplate,
    TaskAwareSupervisedClassificationDataset,
    TaskLabels,
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from strategies.base import Strategy, TrainConfig

Progress = Callable[[dict[str, Any]], None]
"""Told of every training step: task, epoch (from 1), epochs, images (in this step)."""


def experiences(datasets: Sequence[Dataset]) -> list[CLExperience]:
    """One Avalanche experience for each dataset of (image, label) items with a `targets` attribute."""
    wrapped = [
        TaskAwareSupervisedClassificationDataset(
            [data],
            data_attributes=[
                DataAttribute(list(data.targets), "targets"),
                TaskLabels(ConstantSequence(0, len(data))),
            ],
        )
        for data in datasets
    ]
    return list(with_classes_timeline(with_task_labels(benchmark_from_datasets(train=wrapped))).train_stream)


class SuiteTemplate(SupervisedTemplate):
    """Supervised training of one model by a strategy and its plugins, one experience after another."""

    def __init__(
        self,
        *,
        model: nn.Module,
        strategy: Strategy,
        train: TrainConfig,
        device: str | torch.device = "cpu",
        plugins: Sequence[Any] = (),
        on_step: Progress | None = None,
    ) -> None:
        # Avalanche wants an optimiser now; the real one is made for each experience.
        unused = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no logger, on purpose
            super().__init__(
                model=model,
                optimizer=unused,
                criterion=nn.CrossEntropyLoss(),
                train_mb_size=train.batch_size,
                train_epochs=train.epochs,
                device=device,
                plugins=list(plugins),
                evaluator=None,  # every metric comes from our own matrix
                eval_every=-1,
            )
        self.strategy, self.config, self.on_step = strategy, train, on_step
        self.history: list[dict[str, Any]] = []
        self.task = ""

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Shuffled mini-batches of the experience's dataset, as plugins left it."""
        self.dataloader = DataLoader(self.adapted_dataset, batch_size=self.train_mb_size, shuffle=True)

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """Adapt Avalanche's dynamic modules, then make optimiser and schedule for this experience."""
        self.model = self.model_adaptation()
        self.make_optimizer()

    def make_optimizer(self, **kwargs: Any) -> None:
        """AdamW over the strategy's parameter groups, linear warm-up and cosine to zero."""
        groups = self._with_head_rate(self.strategy.parameter_groups(self.model))
        self.trained = [p for group in groups for p in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=self.strategy.lr, weight_decay=0.0, fused=True)
        steps = self.train_epochs * len(self.dataloader)
        warmup = round(self.config.warmup * steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: _rate(step, warmup, steps))

    def _with_head_rate(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`groups` with a trained head apart, at its own learning rate, the same for all strategies."""
        head = {id(p) for p in self.model.head.parameters()}
        split = []
        for group in groups:
            split.append({**group, "params": [p for p in group["params"] if id(p) not in head]})
            split.append({**group, "params": [p for p in group["params"] if id(p) in head], "lr": self.config.head_lr})
        return [group for group in split if group["params"]]

    def optimizer_step(self) -> None:
        """Clip, step, schedule."""
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_grad_norm)
        self.optimizer.step()
        self.schedule.step()

    def _before_training_epoch(self, **kwargs: Any) -> None:
        self._epoch = {"loss": 0.0, "correct": 0, "seen": 0, "start": time.perf_counter()}
        super()._before_training_epoch(**kwargs)

    def _after_training_iteration(self, **kwargs: Any) -> None:
        epoch = self._epoch
        epoch["loss"] += float(self.loss.detach()) * len(self.mb_y)
        epoch["correct"] += int((self.mb_output.argmax(dim=1) == self.mb_y).sum())
        epoch["seen"] += len(self.mb_y)
        if self.on_step is not None:
            self.on_step(
                {"task": self.task, "epoch": self._number(), "epochs": self.train_epochs, "images": len(self.mb_y)}
            )
        super()._after_training_iteration(**kwargs)

    def _after_training_epoch(self, **kwargs: Any) -> None:
        epoch = self._epoch
        entry = {
            "task": self.task,
            "epoch": self._number(),
            "loss": epoch["loss"] / epoch["seen"],
            "train_accuracy": epoch["correct"] / epoch["seen"],
            "images_per_second": epoch["seen"] / (time.perf_counter() - epoch["start"]),
        }
        for plugin in self.plugins:
            if hasattr(plugin, "epoch_log"):
                entry |= plugin.epoch_log()
        self.history.append(entry)
        super()._after_training_epoch(**kwargs)

    def _number(self) -> int:
        return self.clock.train_exp_epochs + 1


def _rate(step: int, warmup: int, steps: int) -> float:
    """Learning rate at `step` as a fraction of the highest."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
