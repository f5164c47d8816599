"""Bootstrap over the test images of a run: how far its accuracy could be chance of the draw. Numpy only.

Resampling n images with replacement and counting the right ones is a binomial draw, and counting images that one of
two runs alone gets right is a multinomial one: neither needs the images themselves. Domains are resampled apart, and
weigh the same, as in `acc`. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95
_ROUNDING = 1e-12


def accuracy_interval(accuracies: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """95 % percentile interval (low, high) of the mean over domains.

    accuracies [T]: of each domain, k of n. counts [T]: its test images. The interval of a domain that is all right or
    all wrong has no width. ValueError if they do not belong together.
    """
    if not len(accuracies) or len(accuracies) != len(counts) or min(counts) < 1:
        raise ValueError(f"{len(accuracies)} accuracies and counts {list(counts)}; expected a count above 0 for each")
    rng = np.random.default_rng(SEED)
    drawn = sum(rng.binomial(n, accuracy, RESAMPLES) / n for accuracy, n in zip(accuracies, counts, strict=True))
    low, high = np.quantile(drawn / len(counts), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_interval(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Accuracy of the second run minus that of the first on the same images: (difference, low, high, p).

    first, second: for each domain, bool [N], whether the image was right, in the same order of images. low, high:
    95 % percentile interval of the mean over domains. p: two-sided, share of resamples that stray from their centre
    at least as far as the difference is from 0. ValueError if domains or their images are not as many.
    """
    if not len(first) or [len(row) for row in first] != [len(row) for row in second] or not min(map(len, first)):
        raise ValueError("two runs are compared on the same images: as many of each domain, and at least one")
    won = [int((~np.asarray(a, bool) & np.asarray(b, bool)).sum()) for a, b in zip(first, second, strict=True)]
    lost = [int((np.asarray(a, bool) & ~np.asarray(b, bool)).sum()) for a, b in zip(first, second, strict=True)]
    sizes = [len(row) for row in first]
    # Drawn for the better one: two runs the other way round give the same numbers with the other sign.
    sign = 1.0 if (_mean(won, lost, sizes), won) >= (_mean(lost, won, sizes), lost) else -1.0
    if sign < 0:
        won, lost = lost, won
    difference = _mean(won, lost, sizes)
    rng = np.random.default_rng(SEED)
    drawn = np.zeros(RESAMPLES)
    for up, down, n in zip(won, lost, sizes, strict=True):
        counts = rng.multinomial(n, [up / n, down / n, 1.0 - (up + down) / n], RESAMPLES)
        drawn += (counts[:, 0] - counts[:, 1]) / (n * len(sizes))
    low, high = sorted(sign * np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    strays = np.abs(drawn - difference) >= abs(difference) - _ROUNDING
    return sign * difference + 0.0, float(low) + 0.0, float(high) + 0.0, float((1 + strays.sum()) / (1 + RESAMPLES))


def _mean(up: Sequence[int], down: Sequence[int], sizes: Sequence[int]) -> float:
    """Mean over domains of the share won less the share lost."""
    return sum((u - d) / n for u, d, n in zip(up, down, sizes, strict=True)) / len(sizes)
