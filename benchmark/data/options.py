"""Where data are, and what is done about bad ones: the same for every data set of a call."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import platformdirs

VARIABLE = "SELORA_BENCH_DATA"
"""Environment variable that names the data root."""

OnBadImage = Literal["fail", "skip"]


def default_root() -> Path:
    """The folder that the environment names, else the user's data folder of this system."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("selora-bench"))


@dataclass(frozen=True)
class DataOptions:
    """root: folder of all data sets. mirror: base address to fetch from instead of a data set's own.

    original: a data set's original files where its authors offer cleaned ones. deduplicate: leave out files
    that a published list names as duplicates. on_bad_image: what an unreadable image does to a run.
    """

    root: Path = field(default_factory=default_root)
    mirror: str | None = None
    original: bool = False
    deduplicate: bool = False
    on_bad_image: OnBadImage = "fail"
