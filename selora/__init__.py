"""Selective LoRA (arXiv 2501.15377) as a library: torch and safetensors only.

>>> import selora
>>> layers = selora.inject(vit, rank=8)          # freezes vit, wraps attention and MLP linears
>>> selora.add_task(vit, "clipart")              # one gated low-rank block a layer, active at once
>>> selector = selora.Selector(selora.task_blocks(vit, "clipart"), steps=1000, budget=0.05)
>>> ...                                          # loss + selector.penalty(); backward; step; selector.step()
>>> selora.drop_closed(vit, "clipart")
>>> selora.save(vit, "clipart.safetensors")
"""

from selora.export import load, save, to_peft
from selora.gate import INITIAL_SCORE, THRESHOLD, indicator
from selora.inject import DEFAULT_PATTERN, inject, task_layers
from selora.layers import LowRankBlock, TaskLinear, TaskModule, belongs_to_other_task
from selora.masks import activate, add_task, drop_closed, fold, mask, merge, remove_task, scores, task_blocks, unmerge
from selora.select import Selector

__all__ = [
    "DEFAULT_PATTERN",
    "INITIAL_SCORE",
    "THRESHOLD",
    "LowRankBlock",
    "Selector",
    "TaskLinear",
    "TaskModule",
    "activate",
    "add_task",
    "belongs_to_other_task",
    "drop_closed",
    "fold",
    "indicator",
    "inject",
    "load",
    "mask",
    "merge",
    "remove_task",
    "save",
    "scores",
    "task_blocks",
    "task_layers",
    "to_peft",
    "unmerge",
]
