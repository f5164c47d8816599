"""Two single runs against each other, over the images that both were tested on."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from benchmark.bootstrap import paired_interval
from benchmark.reporting.rows import Entry

Stored = Mapping[str, np.ndarray] | None
DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError)
"""What reading an array of a damaged predictions.npz raises; the last for a compression that zipfile does not know."""


class NotTheSame(ValueError):
    """Predictions are missing, of other images, or do not belong to the result: the words follow a comma."""


def accuracy_difference(first: tuple[Entry, Stored], second: tuple[Entry, Stored]) -> tuple[float, float, float, float]:
    """Final accuracy of the second run less that of the first: (difference, low, high, p), as `paired_interval`.

    Each run with its arrays of predictions.npz; images are matched by their ids. NotTheSame says why it cannot be.
    """
    try:
        rights = [_right(domain, first, second) for domain in first[0].result.spec.order]
    except DAMAGED as error:
        if isinstance(error, NotTheSame):
            raise
        raise NotTheSame(f"the predictions of a run are damaged ({error})") from error
    found = paired_interval([a for a, _ in rights], [b for _, b in rights])
    stored = float(second[0].values["acc"] or 0.0) - float(first[0].values["acc"] or 0.0)
    if abs(found[0] - stored) > 1e-6:
        raise NotTheSame(f"the predictions give a difference of {found[0]:.6f}, the results {stored:.6f}")
    return found


def _right(domain: str, *runs: tuple[Entry, Stored]) -> list[np.ndarray]:
    """Which images of a domain each run had right at the end, bool [N], in one order."""
    ids, labels, rights = [], [], []
    for name, (entry, arrays) in zip("AB", runs, strict=True):
        if arrays is None:
            raise NotTheSame(f"{name} has no predictions")
        place = f"{entry.track}/{entry.data.stages[-1]}/{domain}/class"
        absent = [key for key in (f"ids/{domain}", f"labels/{domain}", place) if key not in arrays]
        if absent:
            raise NotTheSame(f"the predictions of {name} lack {absent[0]}")
        known, label, predicted = arrays[f"ids/{domain}"], arrays[f"labels/{domain}"], arrays[place]
        if known.ndim != 1 or label.shape != known.shape or predicted.shape != (1, *known.shape):
            raise NotTheSame(f"the predictions of {name} are not one class for each image of {domain}")
        order = np.argsort(known, kind="stable")
        ids.append(known[order])
        labels.append(label[order])
        rights.append(predicted[0][order] == labels[-1])
    if not np.array_equal(*ids) or not np.array_equal(*labels):
        raise NotTheSame(f"the test images of {domain} are not the same")
    return rights
