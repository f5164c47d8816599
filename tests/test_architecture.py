"""Dependencies point one way, and what must start fast imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RANK = {"selora": 0, "strategies": 1, "benchmark": 2, "run_suite": 3}
SOURCES = [ROOT / "run_suite.py", *(p for name in list(RANK)[:3] for p in sorted((ROOT / name).rglob("*.py")))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_import_points_up(path):
    own = RANK[path.relative_to(ROOT).parts[0].removesuffix(".py")]
    assert [name for name in imported(path) if RANK.get(name, -1) > own] == []


def test_the_method_needs_torch_and_safetensors_only():
    allowed = {"torch", "safetensors", "selora", *sys.stdlib_module_names}
    for path in (ROOT / "selora").glob("*.py"):
        assert set(imported(path)) <= allowed, path


@pytest.mark.parametrize(
    "module",
    ["benchmark.config", "benchmark.registry", "benchmark.metrics", "benchmark.store", "benchmark.reporting",
     "strategies.base", "run_suite"],
)  # fmt: skip
def test_light_modules_load_nothing_heavy(module):
    heavy = ("torch", "avalanche", "matplotlib", "pandas", "timm", "open_clip", "sklearn")
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_store_writes_the_results_folder():
    """Others write elsewhere: reports beside it, data sets and their records below the data root."""
    allowed = ("benchmark/store", "benchmark/reporting", "benchmark/backbones", "benchmark/data", "selora/export")
    writers = {"write_text", "write_bytes", "savez_compressed", "rmtree"}
    for path in SOURCES:
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        relative = path.relative_to(ROOT).as_posix()
        if not relative.startswith(allowed):
            assert not names & writers, relative
