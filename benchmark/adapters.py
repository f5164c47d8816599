"""What each task learned, as files that others can load: selora and peft adapters, each with a model card."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

import selora
from benchmark.result import RunResult
from benchmark.store import Store
from selora.inject import task_linears
from strategies.learner import Learner

TOWERS = ("image", "text")


def save_adapters(learner: Learner, result: RunResult, store: Store) -> list[Path]:
    """Write adapters/TASK/ of a finished run; returns the folders, none where no low-rank block is left.

    Each has adapter.safetensors (`selora.load` reads it into a model with the same task layers), a peft adapter for
    each tower that has an active block, head.safetensors where a linear head was trained, and README.md.
    """
    model = learner.model
    layers = task_linears(model).values()
    tasks = list(dict.fromkeys(task for layer in layers for task in layer.tasks))
    blocks = [layer.child(task) for layer in layers for task in layer.tasks]
    if not all(isinstance(block, selora.LowRankBlock) for block in blocks):
        return []
    return [_save_task(learner, task, result, store) for task in tasks]


def _save_task(learner: Learner, task: str, result: RunResult, store: Store) -> Path:
    from benchmark.model_card import model_card  # loads the hub's client, which few runs need

    model = learner.model
    folder = store.folder(result.spec) / "adapters" / re.sub(r"[^A-Za-z0-9._-]+", "_", task)
    folder.mkdir(parents=True, exist_ok=True)
    selora.save(model, folder / "adapter.safetensors", [task])
    base = result.spec.backbone.get("model") or result.spec.backbone["name"]
    for name, tower in zip(TOWERS, model.towers, strict=False):
        if any(selora.mask(tower, task).values()):
            selora.to_peft(tower, task, folder / f"peft-{name}", base_model=str(base))
    if model.head_is_trained:
        save_file({k: t.detach().cpu().contiguous() for k, t in _head(model, task).state_dict().items()},
                  folder / "head.safetensors")  # fmt: skip
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    domain = task if task in result.spec.order else None
    card = model_card(result, domain, [name for name in files if name != "README.md"])
    store.save_text(folder / "README.md", card)
    return folder


def _head(model: nn.Module, task: str) -> nn.Module:
    """The head that belongs to `task`: its own copy where there is one."""
    if isinstance(model.head, selora.TaskModule):
        return model.head.child(task) or model.head.base
    return model.head
