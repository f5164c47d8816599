"""What is compared: a strategy, a results folder or a commit, as a command line says it, and its rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.errors import UsageError, unknown
from benchmark.reporting.measured import measure
from benchmark.reporting.notes import note
from benchmark.reporting.rows import Row, rows_of
from benchmark.result import RunResult
from benchmark.store import Store

FORMS = "[FOLDER:]STRATEGY[@COMMIT], FOLDER[@COMMIT] or @COMMIT"


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    text: as it was given. strategy: name of a strategy or label of a row; None for all.
    rows: its runs, pooled over seeds and orders, those of the strategy only. problems: results left out, and why.
    """

    text: str
    store: Store
    strategy: str | None
    commits: tuple[str, ...]
    rows: list[Row]
    problems: list[str]


def sides(texts: tuple[str, str], root: str) -> tuple[Side, Side]:
    """Both sides; one that names no strategy takes the other's. UsageError for what is not there, with suggestions.

    root: the results folder of a side that names none.
    """
    chosen = [_parse(text, root) for text in texts]
    named = [strategy for _, strategy, _ in chosen if strategy is not None]
    stores = {folder: Store(folder) for folder, _, _ in chosen}
    read = {folder: _results(store) for folder, store in stores.items()}
    first, second = (
        _side(text, stores[folder], read[folder], strategy or (named[0] if named else None), commit)
        for text, (folder, strategy, commit) in zip(texts, chosen, strict=True)
    )
    return first, second


def _parse(text: str, root: str) -> tuple[Path, str | None, str | None]:
    """Folder, strategy, commit. A folder that holds results goes before a strategy of the same name."""
    if _holds_results(text):
        return Path(text), None, None
    rest, at, commit = text.rpartition("@") if "@" in text else (text, "", "")
    if not text or (at and not commit):
        raise UsageError(f"'{text}' says nothing to compare; expected {FORMS}")
    found = commit if at else None
    if not rest:
        return Path(root), None, found
    if _holds_results(rest):
        return Path(rest), None, found
    for place in (place for place, letter in enumerate(rest) if letter == ":"):
        if _holds_results(rest[:place]) and rest[place + 1 :]:
            return Path(rest[:place]), rest[place + 1 :], found
    name = rest.split(" ")[0] if "=" in rest else rest  # the value of a setting may hold a colon or a slash
    if ":" in name or "/" in name:
        raise UsageError(f"{rest.split(':')[0]}: no results folder, it has no folder 'runs'; expected {FORMS}")
    return Path(root), rest, found


def _holds_results(text: str) -> bool:
    return bool(text) and (Path(text) / "runs").is_dir()


def _results(store: Store) -> tuple[list[RunResult], list[str]]:
    if not store.root.is_dir():
        raise UsageError(f"--results {store.root}: no such folder; say where the results are")
    results, problems = store.results()
    if not results:
        raise UsageError(
            f"{store.root}: no finished run there that can be read; {'; '.join(problems) or 'it is empty'}"
        )
    return results, problems


def _side(
    text: str, store: Store, read: tuple[list[RunResult], list[str]], strategy: str | None, commit: str | None
) -> Side:
    results, problems = read
    if commit is not None:
        results = _of_commit(results, commit)
    runs, bad = measure(results)
    rows = rows_of(runs, pool_orders=True)
    note(rows)
    if strategy is not None:
        rows = _of_strategy(rows, strategy)
    rows.sort(key=lambda row: (row.stream, row.backbone, row.family, row.label, row.track))
    commits = sorted({str(entry.result.environment.get("commit")) for row in rows for entry in row.entries})
    return Side(text, store, strategy, tuple(commits), rows, [*problems, *sorted(bad)])


def _of_commit(results: Sequence[RunResult], text: str) -> list[RunResult]:
    known = sorted({str(result.environment.get("commit")) for result in results})
    found = [text] if text in known else [commit for commit in known if commit.startswith(text)]
    if not found:
        raise unknown("commit", text, known)
    if len(found) > 1:
        raise UsageError(f"commit '{text}' could be {' or '.join(found)}; give more of it")
    return [result for result in results if str(result.environment.get("commit")) == found[0]]


def _of_strategy(rows: Sequence[Row], text: str) -> list[Row]:
    found = [row for row in rows if row.strategy == text] or [row for row in rows if row.label == text]
    # A label tells apart the rows of one folder; in another folder or commit the same row may have a shorter one.
    found = found or [row for row in rows if _has(row, text)]
    if not found:
        raise unknown("strategy or results folder", text, {row.strategy for row in rows} | {row.label for row in rows})
    return found


def _has(row: Row, text: str) -> bool:
    """Whether `text` is the row's strategy followed by settings that it has, as in ``lora rank=4``."""
    spec = row.entries[0].result.spec
    values = {"version": spec.strategy.get("version"), **spec.strategy.get("params", {}), **asdict(spec.train)}
    shown = {k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for k, v in values.items()}
    name, *pairs = text.split(" ")
    return name == row.strategy and bool(pairs) and set(pairs) <= {f"{k}={v}" for k, v in shown.items()}


def check_one_each(side: Side) -> None:
    """UsageError if a strategy's name means several configurations of one contest: which is meant?"""
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in side.rows:
        groups[row.family, row.given].append(row)
    for rows in groups.values():
        labels = sorted({row.label for row in rows})
        if len(labels) > 1:
            raise UsageError(f"'{side.text}' means several rows; say which: {', '.join(map(repr, labels))}")
