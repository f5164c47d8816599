"""From finished runs to tables, a page and figures; pandas, the templates and matplotlib load when used.

README.md beside this file says what each file holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.reporting.report import Report


def write_report(report: Report, folder: Path, figures: bool = False) -> pd.DataFrame:
    """Write the tables and report.html under `folder`; return the leaderboard.

    Each file is replaced as a whole and depends on the set of results only.
    figures: draw figures/*.png too; where they were drawn once they are kept up to date, and those of streams that
    have no results any more are removed. ValueError for a report without rows.
    """
    from benchmark.reporting import page, paper, tables, terminal

    if not report.rows:
        raise ValueError(f"no finished runs in {folder}")
    leaderboard = tables.leaderboard_of(report.rows)
    frames = {
        "leaderboard.csv": leaderboard,
        "runs.csv": tables.runs_of(report.rows),
        "matrix.csv": tables.matrix_of(report.rows),
        "metrics.csv": tables.metrics_table(),
        "comparability.csv": tables.comparability_of(report.rows),
    }
    texts = {
        "leaderboard.md": paper.markdown(report),
        "leaderboard.tex": paper.latex(report),
        "leaderboard.svg": terminal.picture(leaderboard),
        "report.html": page.render(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        _replace(folder / name, tables.to_csv(frame))
    for name, text in texts.items():
        _replace(folder / name, text.encode())
    if figures or (folder / "figures").is_dir():
        _write_figures(report, folder / "figures")
    return leaderboard


def _write_figures(report: Report, folder: Path) -> None:
    from benchmark.reporting.figures import KINDS, draw

    folder.mkdir(exist_ok=True)
    written = set()
    for name, data in draw(report.by_order):
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
