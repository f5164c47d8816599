"""Which stored run is meant: by key, by the beginning of a key, by folder, or by label."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.result import RunResult
from benchmark.store import Store

SHORTEST = 4
"""Characters of a key that are enough to name it, if no other begins with them."""


def find(root: str, text: str) -> tuple[RunResult, list[RunResult]]:
    """The run that `text` means, and all runs of its results folder.

    text: a run's folder, its key or at least SHORTEST characters of it, or its label, which is the folder's name
    without the key. UsageError, with candidates, for a text that means none or several.
    """
    folder = Path(text)
    if folder.is_dir():
        return _of_folder(folder)
    if not Path(root).is_dir():
        raise UsageError(f"--results {root}: no such folder; say where the results are")
    store = Store(root)
    results, problems = store.results()
    if not results and not problems:
        raise UsageError(f"--results {root}: no finished run there; run `python run_suite.py` first")
    names = {store.folder(result.spec).name: result for result in results}
    found = [name for name, result in names.items() if _means(text, name, result)]
    if len(found) == 1:
        return names[found[0]], results
    if found:
        raise UsageError(f"run '{text}' could be {_listed(found)}; give more of the key")
    for problem in problems:
        if text in problem:
            raise UsageError(problem)
    near = difflib.get_close_matches(text, names, n=5, cutoff=0.4) or sorted(names)
    short = f" (a key needs at least {SHORTEST} characters)" if len(text) < SHORTEST else ""
    raise UsageError(f"no run '{text}' in {root}{short}; there is {_listed(near)}")


def _of_folder(folder: Path) -> tuple[RunResult, list[RunResult]]:
    path = folder / "result.json"
    if not path.exists():
        raise UsageError(f"{folder}: no result.json there; expected the folder of a finished run")
    try:
        result = RunResult.from_dict(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(f"{path}: cannot be read, {error}") from error
    parent = folder.resolve().parent
    beside = Store(parent.parent).results()[0] if parent.name == "runs" else []
    return result, beside


def _means(text: str, name: str, result: RunResult) -> bool:
    key = result.spec.key
    return text in (name, name.removesuffix(f"-{key}")) or (len(text) >= SHORTEST and key.startswith(text))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
