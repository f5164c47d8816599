"""How to cite: the paper of the method, and the software at the versions that the runs were made with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.reporting.report import Report

PAPER = """\
@misc{bafghi2025selective,
  title         = {Fine Tuning without Catastrophic Forgetting via Selective Low Rank Adaptation},
  author        = {Bafghi and Bagwell and Ravichandran and Shrivastava and Raissi},
  eprint        = {2501.15377},
  archivePrefix = {arXiv},
  year          = {2025},
  url           = {https://arxiv.org/abs/2501.15377}
}"""
"""Title as huggingface.co/papers/2501.15377 has it."""


@dataclass(frozen=True)
class Citation:
    """BibTeX of the paper and of the software; versions: what the runs recorded, for the footer."""

    paper: str
    software: str
    versions: list[tuple[str, str]]


def citation(report: Report) -> Citation:
    """Version and commits as the runs recorded them."""
    environments = [entry.result.environment for row in report.rows for entry in row.entries]
    commits = sorted({str(environment["commit"]) for environment in environments if environment.get("commit")})
    here = _version("selora-bench")
    note = f"version {here}" if here else "version not recorded"
    if commits:
        note += f", commit{'s' * (len(commits) > 1)} {', '.join(commits)}"
    software = f"@software{{selora_bench,\n  title = {{selora-bench}},\n  note  = {{{note}}}\n}}"
    return Citation(PAPER, software, _versions(environments))


def _versions(environments: list[dict]) -> list[tuple[str, str]]:
    found = []
    for name in ("selora-bench", "commit", "python", "torch", "torchvision", "timm", "open_clip_torch", "device"):
        values = sorted({str(environment[name]) for environment in environments if environment.get(name)})
        if values:
            found.append((name, ", ".join(values)))
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
