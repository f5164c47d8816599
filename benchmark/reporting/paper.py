"""The leaderboard as tables for a paper: Markdown, and LaTeX for the booktabs package.

Written by hand, not by pandas: neither of its writers sets protocols apart by rules and headings, nor aligns
intervals, and its Markdown needs another package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from benchmark.reporting.paper_tables import BEST, TIED, Cell, Line, PaperTable, paper_tables
from benchmark.reporting.report import Report


def markdown(report: Report) -> str:
    """leaderboard.md: a table for each stream, backbone and budget; the best accuracy of a protocol is bold."""
    parts = ["# Leaderboard", *(_markdown(table) for table in paper_tables(report))]
    return "\n\n".join(parts) + "\n"


def latex(report: Report) -> str:
    r"""leaderboard.tex: the same tables as floats, to ``\input``."""
    head = (
        "% Tables of `run_suite.py report`, to \\input where they shall stand; they need \\usepackage{booktabs}.\n"
        "% Each is a float with a label; for a caption of your own take its tabular alone."
    )
    parts = [head, *(_latex(table, number) for number, table in enumerate(paper_tables(report), 1))]
    return "\n\n".join(parts) + "\n"


# Markdown


def _markdown(table: PaperTable) -> str:
    words = {"BEST": "**bold**", "TIED": "marked †"}
    lines = [["Strategy", "n", *(column.title for column in table.columns)]]
    for title, members in table.sections:
        lines.append([f"*{title}*", *[""] * (len(table.columns) + 1)])
        for line in members:
            name = _markdown_text(line.strategy) + "".join(f" [{mark}]" for mark in line.marks)
            lines.append([name, str(line.runs), *map(_markdown_cell, line.cells)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [f"| {' | '.join(_justified(line, widths))} |" for line in lines]
    rule = "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])])
    parts = [f"## {_markdown_text(table.title)}", _filled(table.caption, words, _markdown_text)]
    parts.append("\n".join([rows[0], f"|{rule}|", *rows[1:]]))
    notes = [f"[{number}] {_markdown_text(note)}" for number, note in enumerate(table.notes, 1)]
    return "\n\n".join([*parts, *notes])


def _justified(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]


def _markdown_cell(cell: Cell) -> str:
    mean = f"**{cell.mean}**" if cell.style == BEST else f"{cell.mean}†" if cell.style == TIED else cell.mean
    return f"{mean} ± {cell.half_width}" if cell.half_width else mean


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))


def _filled(caption: Sequence[str], words: dict[str, str], escape: Callable[[str], str]) -> str:
    """The caption in one paragraph; BEST and TIED are replaced by how they look."""
    text = escape(" ".join(caption))
    return re.sub(r"\b(BEST|TIED)\b", lambda found: words[found[0]], text)


# LaTeX

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_WIDE = 30
"""Letters of a strategy beyond which its column is set in lines."""


def _latex(table: PaperTable, number: int) -> str:
    words = {"BEST": r"\textbf{bold}", "TIED": r"\underline{underlined}"}
    widest = max(len(line.strategy) for _, members in table.sections for line in members)
    first = r"p{0.25\linewidth}" if widest > _WIDE else "l"
    body = [_latex_line(["Strategy", "n", *(_latex_text(column.title) for column in table.columns)])]
    for title, members in table.sections:
        body += [
            r"\midrule",
            rf"\multicolumn{{{len(table.columns) + 2}}}{{@{{}}l}}{{\emph{{{_latex_text(title)}}}}} \\",
        ]
        body += [_latex_line(line) for line in _latex_rows(table, members)]
    notes = [f"${{}}^{{{mark}}}$ {_latex_text(note)}." for mark, note in enumerate(table.notes, 1)]
    below = [r"\par\smallskip", r"\parbox{\linewidth}{\raggedright", " ".join(notes) + "}"]
    return "\n".join(
        [
            r"\begin{table}[tbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_latex_text(table.title)}. {_filled(table.caption, words, _latex_text)}}}",
            rf"\label{{tab:selora-bench-{number}}}\par\smallskip",
            rf"\begin{{tabular}}{{@{{}}{first}r{'r' * len(table.columns)}@{{}}}}",
            *(r"\toprule", *body, r"\bottomrule", r"\end{tabular}"),
            *(below if notes else ()),
            r"\end{table}",
        ]
    )


def _latex_rows(table: PaperTable, members: Sequence[Line]) -> list[list[str]]:
    """Cells of one section, padded by invisible digits so that the signs of a column stand below each other."""
    everything = [line for _, lines in table.sections for line in lines]
    widths = [max(len(line.cells[place].half_width) for line in everything) for place in range(len(table.columns))]
    found = []
    for line in members:
        marks = f"${{}}^{{{','.join(map(str, line.marks))}}}$" if line.marks else ""
        cells = [_latex_cell(cell, width) for cell, width in zip(line.cells, widths, strict=True)]
        found.append([_latex_text(line.strategy) + marks, str(line.runs), *cells])
    return found


def _latex_cell(cell: Cell, width: int) -> str:
    mean = re.sub(r"^[+-]", lambda sign: f"${sign[0]}$", cell.mean)
    mean = f"\\textbf{{{mean}}}" if cell.style == BEST else f"\\underline{{{mean}}}" if cell.style == TIED else mean
    if not cell.mean or not width:
        return mean
    interval = rf"\,$\pm$\,{_phantom('0' * (width - len(cell.half_width)))}{cell.half_width}"
    return mean + (interval if cell.half_width else _phantom(rf"\,$\pm$\,{'0' * (width - 2)}.0"))


def _phantom(text: str) -> str:
    return rf"\phantom{{{text}}}" if text else ""


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_text(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in " ".join(text.split()))
