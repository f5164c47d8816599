"""From finished runs to leaderboard.csv, its picture, runs.csv and figures; pandas and matplotlib load when used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.reporting.report import Report


def write_report(report: Report, folder: Path, figures: bool = False) -> pd.DataFrame:
    """Write leaderboard.csv and .svg and runs.csv under `folder`; return the leaderboard.

    Each file is replaced as a whole and depends on the set of results only.
    figures: draw figures/*.png too; where they were drawn once they are kept up to date, and those of streams that
    have no results any more are removed. ValueError for a report without rows.
    """
    from benchmark.reporting import tables, terminal

    if not report.rows:
        raise ValueError(f"no finished runs in {folder}")
    leaderboard = tables.leaderboard_of(report.rows)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "leaderboard.csv", tables.to_csv(leaderboard))
    _replace(folder / "leaderboard.svg", terminal.picture(leaderboard).encode())
    _replace(folder / "runs.csv", tables.to_csv(tables.runs_of(report.rows)))
    if figures or (folder / "figures").is_dir():
        _write_figures(report.by_order, folder / "figures")
    return leaderboard


def _write_figures(rows: list, folder: Path) -> None:
    from benchmark.reporting.figures import KINDS, draw

    folder.mkdir(exist_ok=True)
    written = set()
    for name, data in draw(rows):
        _replace(folder / name, data)
        written.add(name)
    for kind in KINDS:
        for path in folder.glob(f"{kind}-*.png"):
            if path.name not in written:
                path.unlink()


def _replace(path: Path, data: bytes) -> None:
    """Write beside `path` and move there: a reader sees the old file or the new one, never half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
