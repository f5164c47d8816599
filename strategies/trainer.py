"""The one Avalanche template that every strategy trains with; all mends of Avalanche's loop are here.

What is mended: the optimiser takes trainable parameters only and is rebuilt for every experience, after the
strategy has prepared the task; a schedule is bound to it; gradients are clipped; every domain carries one constant
task label, so that nothing is rebalanced. What is added: lower precision, gradient accumulation, augmentation.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

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
from strategies.compute import Compute

Progress = Callable[[dict[str, Any]], None]
"""Told of every training step: task, epoch (from 1), epochs, images (in this step)."""

Augment = Callable[[torch.Tensor], torch.Tensor]
"""One training image, uint8 [3, s, s] -> [3, S, S]; draws from torch's global generator."""


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
        compute: Compute = Compute(),  # noqa: B008 - frozen
        plugins: Sequence[Any] = (),
        augment: Augment | None = None,
        on_step: Progress | None = None,
    ) -> None:
        # Avalanche wants an optimiser now; the real one is made for each experience.
        unused = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no logger, on purpose
            super().__init__(
                model=model,
                optimizer=unused,
                criterion=model.spaces,
                train_mb_size=train.batch_size,
                train_epochs=train.epochs,
                device=compute.device,
                plugins=list(plugins),
                evaluator=None,  # every metric comes from our own matrix
                eval_every=-1,
            )
        self.strategy, self.config, self.compute = strategy, train, compute
        self.augment, self.on_step = augment, on_step
        self.history: list[dict[str, Any]] = []
        self.task = ""
        self.learned_spaces: set[int] = set()
        """Label spaces of the tasks learned so far, filled by the learner."""

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Shuffled mini-batches of the experience's dataset, as plugins left it."""
        self.dataloader = self.compute.loader(self.adapted_dataset, self.train_mb_size, shuffle=True)

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
        # A fresh scaler a task; from torch's initial 65,536 the first steps of a short task would all overflow.
        half = self.config.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=1024.0, enabled=half)

    def _with_head_rate(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`groups` with a trained head apart, at its own learning rate, the same for all strategies."""
        head = {id(p) for p in self.model.head_parameters}
        split = []
        for group in groups:
            split.append({**group, "params": [p for p in group["params"] if id(p) not in head]})
            split.append({**group, "params": [p for p in group["params"] if id(p) in head], "lr": self.config.head_lr})
        return [group for group in split if group["params"]]

    def training_epoch(self, **kwargs: Any) -> None:
        """One step a batch, its gradient added up over `compute.accumulate` parts.

        Hooks before and after the iteration see the batch, hooks around forward and backward each part.
        """
        for batch in self.dataloader:
            self.mbatch = batch = self._on_device(batch)
            self._before_training_iteration(**kwargs)
            self.optimizer.zero_grad()
            for part in _parts(batch, self.compute.accumulate):
                self.mbatch = part
                self._part_of_step(len(self.mb_y) / len(batch[1]), **kwargs)
            self._before_update(**kwargs)
            self.optimizer_step()
            self._after_update(**kwargs)
            self.mbatch = batch
            self._after_training_iteration(**kwargs)

    def _part_of_step(self, share: float, **kwargs: Any) -> None:
        self.loss = self._make_empty_loss()
        with self.compute.autocast(self.config.precision):
            self._before_forward(**kwargs)
            self.mb_output = self.forward()
            self._after_forward(**kwargs)
            self.loss = self.loss + self.criterion()
            self._before_backward(**kwargs)
        self._epoch["loss"] += self.loss.detach() * len(self.mb_y)
        best = self.model.spaces.candidates(self.mb_output, self.mb_y).argmax(dim=1)
        self._epoch["correct"] += (best == self.mb_y).sum()
        self._epoch["seen"] += len(self.mb_y)
        self.loss = self.scaler.scale(self.loss * share if share < 1 else self.loss)
        self.backward()
        self._after_backward(**kwargs)

    def _on_device(self, batch: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        moved = [tensor.to(self.device, non_blocking=True) for tensor in batch]
        return [self.augmented(moved[0]), *moved[1:]]

    def augmented(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [B, 3, s, s] -> [B, 3, S, S]: here and not in the loader, so that workers change no random number."""
        return images if self.augment is None else torch.stack([self.augment(image) for image in images])

    def optimizer_step(self) -> None:
        """Clip, step, schedule."""
        self.scaler.unscale_(self.optimizer)
        if self.scaler.is_enabled():
            self._unscale_others()
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()

    def _unscale_others(self) -> None:
        """Gradients that another optimiser takes (a selector's scores); none where one overflowed."""
        trained = {id(p) for p in self.trained}
        for parameter in self.model.parameters():
            if parameter.grad is not None and id(parameter) not in trained:
                parameter.grad /= self.scaler.get_scale()
                if not parameter.grad.isfinite().all():
                    parameter.grad = None

    def _before_training_epoch(self, **kwargs: Any) -> None:
        self._epoch = {"loss": 0.0, "correct": 0, "seen": 0, "start": time.perf_counter()}
        super()._before_training_epoch(**kwargs)

    def _after_training_iteration(self, **kwargs: Any) -> None:
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
            "loss": float(epoch["loss"]) / epoch["seen"],
            "train_accuracy": int(epoch["correct"]) / epoch["seen"],
            "images_per_second": epoch["seen"] / (time.perf_counter() - epoch["start"]),
        }
        for plugin in self.plugins:
            if hasattr(plugin, "epoch_log"):
                entry |= plugin.epoch_log()
        self.history.append(entry)
        super()._after_training_epoch(**kwargs)

    def _number(self) -> int:
        return self.clock.train_exp_epochs + 1


def _parts(batch: Sequence[torch.Tensor], count: int) -> list[list[torch.Tensor]]:
    """`batch` cut into at most `count` parts of nearly equal size."""
    return [list(part) for part in zip(*(tensor.chunk(count) for tensor in batch), strict=True)]


def _rate(step: int, warmup: int, steps: int) -> float:
    """Learning rate at `step` as a fraction of the highest."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
