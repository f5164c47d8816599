"""Errors that are the user's to mend: shown as one line, exit code 2, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """What was wrong, what was expected, what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """``unknown strategy 'selroa'; did you mean 'selora'? (known: ...)``."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}'; {hint}(known: {', '.join(names)})")
