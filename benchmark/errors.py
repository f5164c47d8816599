"""Errors that are the user's to mend: shown as one line, exit code 2, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """What was wrong, what was expected, what to do."""


class MissingData(UsageError):
    """Data that are not on disk: what, how large, where they were looked for, which command fetches them."""


class BadImage(ValueError):
    """An image that cannot be read in the middle of a run: which, why, and how to find all of them."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """``unknown strategy 'selroa'; did you mean 'selora'? (known: ...)``."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}'; {hint}(known: {', '.join(names)})")
