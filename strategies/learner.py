"""One strategy on its way through a stream, in a form that can be stopped and continued."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import selora
from strategies.base import Strategy, TrainConfig
from strategies.classifier import Classifier
from strategies.compute import Compute
from strategies.trainer import Augment, Progress, SuiteTemplate, experiences


class Learner:
    """One strategy on its way through a stream: a model, what it learned so far, and state that can be saved.

    datasets: task -> training data, items (uint8 image [3, s, s], label), attribute `targets`; a label is an index
        into the whole head. augment: what makes a training image [3, S, S] of an item; None where it is one already.
    Every task starts from a seed of its own, drawn from `seed` and its position. So a run that is
    continued after any task ends as the uninterrupted one, with no random state to save.
    """

    def __init__(
        self,
        strategy: Strategy,
        model: Classifier,
        datasets: Mapping[str, Dataset],
        train: TrainConfig,
        *,
        seed: int,
        compute: Compute = Compute(),  # noqa: B008 - frozen
        augment: Augment | None = None,
        on_step: Progress | None = None,
    ) -> None:
        self.strategy, self.seed, self.compute = strategy, seed, compute
        self.device = torch.device(compute.device)
        self.spaces = {task: model.spaces.of(data.targets) for task, data in datasets.items()}
        self.model = model.to(self.device)
        self.model.eval()
        self.reference = {_plain(name): t.detach().cpu().clone() for name, t in model.state_dict().items()}
        seed_everything(seed, "prepare")
        strategy.prepare(self.model)
        if compute.compile:
            for tower in self.model.towers:
                for block in tower.blocks:
                    block.compile()
        self.plugins = strategy.plugins()
        self.template = SuiteTemplate(
            model=self.model,
            strategy=strategy,
            train=train,
            compute=compute,
            plugins=self.plugins,
            augment=augment,
            on_step=on_step,
        )
        self.experiences = dict(zip(datasets, experiences(list(datasets.values())), strict=True))
        self.learned: list[str] = []
        self.blocks: dict[str, dict[str, Any]] = {}
        self.trainable_parameters = 0

    def learn(self, task: str) -> None:
        """Train on `task`; skips the training where the strategy has nothing to train."""
        seed_everything(self.seed, len(self.learned))
        self.strategy.begin_task(self.model, task)
        self.trainable_parameters = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        if self.trainable_parameters:
            self.template.task = task
            self.template.train(self.experiences[task])
        record = _block_record(self.model, task)
        if record:
            self.blocks[task] = record
        self.strategy.end_task(self.model, task)
        self.learned.append(task)
        self.template.learned_spaces |= self.spaces[task]
        self.model.eval()

    def activate(self, task: str | None) -> None:
        """Switch to a learned task's parameters; a task not learned yet means the pre-trained model."""
        self.strategy.activate(self.model, task if task in self.learned else None)

    def active_state(self) -> bytes:
        """A digest of every parameter and buffer that can take part in the output now."""
        digest = hashlib.sha256()
        active = {layer.active for layer in selora.task_layers(self.model).values()}
        for name, tensor in self.model.state_dict().items():
            if not selora.belongs_to_other_task(name, active):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.digest()

    def stored_parameters(self) -> int:
        """Parameters that differ from the pre-trained model's or were added: what must be kept."""
        state = {_plain(name): tensor for name, tensor in self.model.state_dict().items()}
        return sum(
            tensor.numel()
            for name, tensor in state.items()
            if name not in self.reference or not torch.equal(tensor.cpu(), self.reference[name])
        )

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and JSON-ready values from which `restore` continues."""
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, plugin in enumerate(self.plugins):
            if hasattr(plugin, "state_dict"):
                tensors |= {f"plugin{index}/{name}": tensor for name, tensor in plugin.state_dict().items()}
        values = {
            "learned": self.learned,
            "blocks": self.blocks,
            "history": self.template.history,
            "trainable_parameters": self.trainable_parameters,
            "frozen": [name for name, p in self.model.named_parameters() if not p.requires_grad],
        }
        return tensors, values

    def restore(self, tensors: Mapping[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Continue from `state`, in a learner made from the same arguments."""
        self.model.load_state_dict(_part(tensors, "model/"))
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name not in values["frozen"])
        for index, plugin in enumerate(self.plugins):
            if hasattr(plugin, "load_state_dict"):
                state = {name: t.to(self.device) for name, t in _part(tensors, f"plugin{index}/").items()}
                plugin.load_state_dict(state)
        self.learned, self.blocks = list(values["learned"]), dict(values["blocks"])
        self.template.history = list(values["history"])
        self.trainable_parameters = values["trainable_parameters"]
        self.template.clock.train_exp_counter = len(self.learned)
        self.template.learned_spaces = set().union(*(self.spaces[task] for task in self.learned))


def seed_everything(seed: int, part: int | str) -> None:
    """Seed Python, numpy and torch from `seed` and the part of the run that starts."""
    number = int.from_bytes(hashlib.sha256(f"{seed}/{part}".encode()).digest()[:4], "little")
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(name: str) -> str:
    """A parameter's name without the wrappers that task modules put around it."""
    return name.replace(".base.", ".")


def _block_record(model: nn.Module, task: str) -> dict[str, Any] | None:
    """Mask and scores of `task`'s gated blocks as training left them, before anything is dropped or merged."""
    scores = selora.scores(model, task)
    if not scores:
        return None
    mask = selora.mask(model, task)
    return {"names": list(mask), "active": list(mask.values()), "scores": [scores[name] for name in mask]}
