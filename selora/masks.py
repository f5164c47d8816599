"""Tasks over a whole model: add, switch, read the mask of active blocks, drop, merge."""

from __future__ import annotations

from torch import nn

from selora.inject import task_layers, task_linears
from selora.layers import is_open


def add_task(model: nn.Module, task: str) -> None:
    """Give every task layer a fresh child for `task` and make it active."""
    for layer in task_layers(model).values():
        layer.add(task)
    activate(model, task)


def remove_task(model: nn.Module, task: str) -> None:
    """Forget `task` everywhere."""
    for layer in task_layers(model).values():
        layer.remove(task)


def activate(model: nn.Module, task: str | None) -> None:
    """Switch every layer to `task`; None is the base model.

    A layer without a child for the task (its closed block was dropped) behaves as the base, and so does
    the whole model for a task that kept no block.
    """
    for layer in task_layers(model).values():
        layer.active = task


def task_blocks(model: nn.Module, task: str) -> dict[str, nn.Module]:
    """Layer name -> block of `task`, where there is one."""
    return {name: layer.child(task) for name, layer in task_linears(model).items() if layer.child(task) is not None}


def mask(model: nn.Module, task: str) -> dict[str, bool]:
    """Layer name -> whether `task` has an active block there; dropped blocks count as closed."""
    blocks = task_blocks(model, task)
    return {name: name in blocks and is_open(blocks[name]) for name in task_linears(model)}


def scores(model: nn.Module, task: str) -> dict[str, float]:
    """Layer name -> score of `task`'s block, where there is one with a score."""
    return {name: float(b.score.detach()) for name, b in task_blocks(model, task).items() if b.score is not None}


def drop_closed(model: nn.Module, task: str) -> int:
    """Remove the closed blocks of `task`, so that only the active ones are stored; returns how many went.

    The model's output does not change.
    """
    closed = [name for name, open_ in mask(model, task).items() if not open_]
    layers = task_linears(model)
    for name in closed:
        layers[name].remove(task)
    return len(closed)


def merge(model: nn.Module) -> None:
    """Merge the active task's open blocks into the base weights: no extra cost at inference."""
    for layer in task_linears(model).values():
        layer.merge()


def unmerge(model: nn.Module) -> None:
    """Undo `merge` to the bit."""
    for layer in task_linears(model).values():
        layer.unmerge()


def fold(model: nn.Module, task: str) -> None:
    """Merge `task` into the base for good and forget its blocks: the base becomes the adapted model."""
    activate(model, task)
    merge(model)
    for layer in task_linears(model).values():
        layer._original = None
    remove_task(model, task)
    activate(model, None)
