"""The embedded stream `digits`: built from data that installed packages ship, nothing to download."""

from benchmark.streams.digits.stream import DigitsStream

__all__ = ["DigitsStream"]
