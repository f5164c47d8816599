"""The model card of an exported adapter: what it is, what was measured, how to load it. Nothing the result lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark import metrics
from benchmark.result import GIVEN, RunResult, Track

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

PAPERS = {
    "selora": "Selective LoRA (Bafghi, Bagwell, Ravichandran, Shrivastava, Raissi; arXiv 2501.15377)",
    "lora": "LoRA (arXiv 2106.09685)",
}
"""Strategy -> its method's source, for the strategies that leave adapters."""

LIMITS = """\
One run with one seed: another seed gives other figures. The adapter belongs to exactly the base weights with the
fingerprint above, and their licence holds for its use. It was tested on the sets above only."""


def model_card(result: RunResult, task: str | None, files: Sequence[str]) -> str:
    """README.md of the folder that holds `files`: YAML metadata for a model hub, then the text.

    task: the domain that the adapter was trained on; None for one that went through the whole stream.
    """
    spec = result.spec
    name = f"{spec.strategy['name']} adapter, {spec.stream['name']}{'/' + task if task else ''}, seed {spec.seed}"
    learned = f"on the domain {_code(task)}" if task else f"on the domains {_listed(spec.order)}, one after another"
    known = PAPERS.get(spec.strategy["name"])
    method = _text(known) if known else f"the strategy {_code(spec.strategy['name'])}"
    parts = [
        f"---\n{_metadata(result, task, name).to_yaml()}\n---",
        f"# {_text(name)}",
        f"A low-rank adapter by {method}, trained {learned} of {_code(spec.stream['name'])} with selora-bench.",
        f"## What it is\n\n{_table(_facts(result, task))}",
        f"## What was measured\n\n{_measured(result, task)}",
        f"## How to load it\n\n{_loading(result, files)}",
        f"## Limits\n\n{LIMITS}",
        f"## How it was made\n\n{_table(_origin(result))}",
        f"## How to cite\n\nThe method: {method}. The figures: selora-bench, run {spec.key}.",
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(result: RunResult, task: str | None, name: str) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    stream = result.spec.stream["name"]
    figures = [
        EvalResult("image-classification", stream, f"{stream}/{label}", "accuracy", round(accuracy, 6))
        for label, (_, accuracy) in _accuracies(result, task).items()
    ]
    tags = ["lora", "continual-learning", "selora-bench", result.spec.strategy["name"]]
    return ModelCardData(model_name=name, tags=list(dict.fromkeys(tags)), datasets=[stream], eval_results=figures)


def _track(result: RunResult) -> Track:
    """With the domain given, where there is such a track: that is how an adapter of one domain is used."""
    return result.tracks.get(GIVEN) or next(iter(result.tracks.values()))


def _accuracies(result: RunResult, task: str | None) -> dict[str, tuple[float, float]]:
    """Accuracy before and after, on the adapter's domain, or on all domains at the end of the stream."""
    track, order = _track(result), result.spec.order
    return {
        domain: (track.accuracy[0][place], track.accuracy[-1][place])
        for place, domain in enumerate(order)
        if task in (None, domain)
    }


def _facts(result: RunResult, task: str | None) -> list[tuple[str, Any]]:
    spec, params = result.spec, result.spec.strategy["params"]
    facts = [
        ("base model", json.dumps(spec.backbone, sort_keys=True)),
        ("fingerprint of its weights", result.environment.get("backbone_fingerprint", "not recorded")),
        ("rank", params.get("rank", "not recorded")),
    ]
    blocks = (result.blocks or {}).get("tasks", {}).get(task)
    if blocks:
        facts.append(("active blocks", f"{sum(blocks['active'])} of {len(blocks['active'])}"))
    return facts


def _measured(result: RunResult, task: str | None) -> str:
    lines = ["| test set | images | pre-trained, % | with the adapter, % |", "|---|--:|--:|--:|"]
    for domain, (before, after) in _accuracies(result, task).items():
        lines.append(f"| {_text(domain)} | {result.counts[domain]} | {100 * before:.1f} | {100 * after:.1f} |")
    said = "Accuracy on test splits; the pre-trained model's row comes before any training."
    if GIVEN in result.tracks:
        said += " The domain was given at test time."
    if result.ood_names:
        said += f" {_retention(result, task)}"
    return "\n".join([*lines, "", said])


def _retention(result: RunResult, task: str | None) -> str:
    values = metrics.compute(_track(result), result.counts, result.spec.order, result.ood_names)
    kept, metric = values["ood_retention"], metrics.METRICS["ood_retention"]
    if kept is None:
        return f"Retention on {_listed(result.ood_names)} is undefined: the pre-trained model scores 0 on one of them."
    whose = "the adapters of all domains of the run, their mean" if task and GIVEN in result.tracks else "the adapter"
    return (
        f"Outside the stream, on {_listed(result.ood_names)}, {whose}, kept {100 * kept:.1f} % of the pre-trained "
        f"accuracy (`ood_retention` = `{metric.formula}`)."
    )


def _loading(result: RunResult, files: Sequence[str]) -> str:
    rank, alpha = (result.spec.strategy["params"].get(name) for name in ("rank", "alpha"))
    gated = result.blocks is not None
    parts = [
        "Files: " + _listed(files) + ".",
        "In a model of selora-bench (`strategies.classifier.Classifier`), with its towers injected as in training:",
        "```python\nimport selora\n\n"
        f"selora.inject(model.towers, rank={rank}, alpha={alpha}, gated={gated})\n"
        '(task,) = selora.load(model, "adapter.safetensors")\nselora.activate(model, task)\n```',
    ]
    for folder in sorted({name.split("/")[0] for name in files if name.startswith("peft-")}):
        parts.append(
            f"On the {folder.removeprefix('peft-')} tower alone (a timm vision transformer for images), with peft:\n\n"
            f'```python\nfrom peft import PeftModel\n\ntower = PeftModel.from_pretrained(tower, "{folder}")\n```'
        )
    if "head.safetensors" in files:
        parts.append("`head.safetensors` is the linear head that was trained with it: `weight` and `bias`.")
    return "\n\n".join(parts)


def _origin(result: RunResult) -> list[tuple[str, Any]]:
    spec, environment = result.spec, result.environment
    packages = ("selora-bench", "commit", "python", "torch", "timm", "open_clip_torch", "avalanche-lib", "device")
    return [
        ("key", spec.key),
        ("command", environment.get("command", "not recorded")),
        ("order of domains", " > ".join(spec.order)),
        ("seed", spec.seed),
        ("training", json.dumps(spec.as_dict()["train"], sort_keys=True)),
        ("hyper-parameters", json.dumps(spec.strategy["params"], sort_keys=True)),
        ("stream", json.dumps(spec.stream, sort_keys=True)),
        ("fingerprint of the data", environment.get("data_fingerprint", "not recorded")),
        *((name, environment[name]) for name in packages if environment.get(name)),
    ]


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_text(str(value))} |" for name, value in rows)])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_code(name) for name in names)


def _code(text: str) -> str:
    """As code; a backtick or a line end would end it, and let the rest be read as HTML."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"


def _text(text: str) -> str:
    """Markdown and HTML that a name may hold, made harmless: a card is shown on a web page."""
    for special in "\\`*_[]|":
        text = text.replace(special, f"\\{special}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
