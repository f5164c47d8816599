"""Tasks on disk: safetensors with a JSON header, and peft LoRA adapters. Never a pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from selora.inject import task_linears
from selora.layers import LowRankBlock
from selora.masks import mask, task_blocks

FORMAT = 1


def save(model: nn.Module, path: str | os.PathLike[str], tasks: list[str] | None = None) -> None:
    """Write the low-rank blocks of `tasks` (all by default) to one safetensors file.

    The header's ``selora`` entry is JSON: format, and for each task its mask and each block's scaling and threshold.
    """
    names = list(dict.fromkeys(task for layer in task_linears(model).values() for task in layer.tasks))
    tensors: dict[str, torch.Tensor] = {}
    header = {"format": FORMAT, "tasks": {}}
    for task in names if tasks is None else tasks:
        blocks = {}
        for name, block in task_blocks(model, task).items():
            if not isinstance(block, LowRankBlock):
                raise ValueError(f"'{name}' holds a {type(block).__name__}; only low-rank blocks are saved")
            blocks[name] = {"scaling": block.scaling, "threshold": block.threshold}
            for part, tensor in block.state_dict().items():
                tensors[f"{task}/{name}/{part}"] = tensor.detach().cpu().contiguous()
        header["tasks"][task] = {"mask": mask(model, task), "blocks": blocks}
    save_file(tensors, path, metadata={"format": "pt", "selora": json.dumps(header)})


def load(model: nn.Module, path: str | os.PathLike[str]) -> list[str]:
    """Read tasks that `save` wrote into a model with the same task layers; returns their names.

    ValueError for a file of another kind, a layer the model lacks, a task it has already or other shapes.
    """
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("selora")
        if text is None:
            raise ValueError(f"{path} is no selora adapter: its header has no 'selora' entry")
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise ValueError(f"{path} has format {header['format']}, this version reads {FORMAT}")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    layers = task_linears(model)
    blocks = {
        (task, name): _block(layers, task, name, about, tensors)
        for task, entry in header["tasks"].items()
        for name, about in entry["blocks"].items()
    }
    for (task, name), block in blocks.items():  # nothing is touched unless the whole file fits
        layers[name].add(task, block)
    return list(header["tasks"])


def _block(layers: dict, task: str, name: str, about: dict, tensors: dict[str, torch.Tensor]) -> LowRankBlock:
    if name not in layers:
        raise ValueError(f"the adapter has a block at '{name}', the model has none there; inject the same pattern")
    if layers[name].child(task) is not None:
        raise ValueError(f"the model has a task '{task}' already")
    state = {part: tensors[f"{task}/{name}/{part}"] for part in ("lora_A", "lora_B")}
    gated = f"{task}/{name}/score" in tensors
    if gated:
        state["score"] = tensors[f"{task}/{name}/score"]
    rank, base = state["lora_A"].shape[0], layers[name].base
    block = LowRankBlock(
        base.in_features, base.out_features, rank, about["scaling"] * rank, gated=gated, threshold=about["threshold"]
    )
    for part, tensor in block.state_dict().items():
        if state[part].shape != tensor.shape:
            raise ValueError(f"{name}.{part} is {tuple(state[part].shape)}, the model needs {tuple(tensor.shape)}")
    block.load_state_dict(state)
    return block


def to_peft(model: nn.Module, task: str, folder: str | os.PathLike[str], base_model: str | None = None) -> None:
    """Write the active blocks of `task` as a peft LoRA adapter that `peft.PeftModel.from_pretrained` loads.

    Load it onto the same model without task layers. base_model: a name noted in the adapter's configuration.
    ValueError when the task has no active block, or blocks of more than one scale or rank.
    """
    open_ = [name for name, is_active in mask(model, task).items() if is_active]
    if not open_:
        raise ValueError(f"task '{task}' has no active block: there is nothing to export")
    blocks = {name: task_blocks(model, task)[name] for name in open_}
    shapes = {(block.lora_A.shape[0], block.scaling) for block in blocks.values()}
    if len(shapes) > 1:
        raise ValueError(f"peft needs one rank and scale, task '{task}' has {sorted(shapes)}")
    rank, scaling = shapes.pop()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": scaling * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": open_,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = {
        f"base_model.model.{name}.{part}.weight": getattr(block, part).detach().cpu().contiguous()
        for name, block in blocks.items()
        for part in ("lora_A", "lora_B")
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
