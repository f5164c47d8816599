"""What is said of a backbone's name and options before anything heavy is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from benchmark.errors import UsageError, unknown

TOWERS = ("image", "both")
"""Which towers take blocks: the image tower, or the text tower as well."""


def check_towers(backbone: str, towers: str, has_text: bool) -> str:
    """`towers`, if it is a word of `TOWERS` that `backbone` can follow; UsageError otherwise."""
    if towers not in TOWERS:
        raise unknown("value of --towers", towers, TOWERS)
    if towers == "both" and not has_text:
        raise UsageError(f"backbone {backbone} has no text tower: --towers both needs a CLIP; drop it")
    return towers


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'NAME'?``, or nothing where no known name is near; for lists too long to be shown."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def said(error: BaseException) -> str:
    """What `error` says, in one line: its first two lines, or its type where it says nothing."""
    return " ".join(line.strip() for line in str(error).strip().splitlines()[:2]) or type(error).__name__


def not_plain(file: object) -> UsageError:
    """For a file that is refused because it is no checkpoint, or one with more in it than tensors."""
    return UsageError(
        f"{file} is no checkpoint of tensors alone (loading other objects could run code); use safetensors"
    )
