"""What a run does about images that cannot be read: refuse to start, or leave them out and say so."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from typing import Any

from benchmark.data.check import WHOLE_SET, Finding, check_data, read_record
from benchmark.data.options import DataOptions
from benchmark.errors import UsageError
from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.wrapper import StreamWrapper


class SkipBad(StreamWrapper):
    """`stream` without the images `bad`, whose number and hash become part of the identity."""

    def __init__(self, stream: Stream, bad: Iterable[Finding]) -> None:
        super().__init__(stream)
        self.bad = {(finding.set, finding.split, finding.id): finding.problem for finding in bad}

    def load(self, name: str, split: Split) -> ImageSet:
        """The images that can be read, in the stream's order."""
        images = self.stream.load(name, split)
        kept = [i for i, identifier in enumerate(images.ids) if (name, split, identifier) not in self.bad]
        return images.part(kept)

    def count(self, name: str, split: Split) -> int:
        """The stream's number, less the bad ones."""
        return self.stream.count(name, split) - sum(key[:2] == (name, split) for key in self.bad)

    def identity(self) -> dict[str, Any]:
        """The stream's identity, how many images are skipped, and the hash of their names."""
        if not self.bad:
            return super().identity()
        names = "\n".join("/".join(key) for key in sorted(self.bad))
        skipped = {"images": len(self.bad), "hash": hashlib.sha256(names.encode()).hexdigest()[:12]}
        return {**super().identity(), "skipped": skipped}


def _has_files(stream: Stream) -> bool:
    return stream.load(stream.domains[0], "test").path is not None


def apply_rule(stream: Stream, options: DataOptions) -> Stream:
    """`stream` as `options.on_bad_image` wants it, by the record of the last check of these very data.

    fail: UsageError where that found images that still cannot be read; a hint where there is no record.
    skip: without those, after a check of all images where there is no record. A list that cannot be read is never
    skipped.
    """
    bad = read_record(stream, options)
    if bad is None and options.on_bad_image == "fail" and _has_files(stream):
        print(
            f"{stream.name}: images not checked yet; `run_suite.py check-data` with the same --stream and --ood finds "
            "broken ones before a run does",
            file=sys.stderr,
        )
    if options.on_bad_image == "skip":
        if bad is None:
            bad = check_data(stream, options).errors
        whole = next((finding for finding in bad if finding.id == WHOLE_SET), None)
        if whole is not None:
            raise UsageError(f"{whole.set}/{whole.split} cannot be skipped as a whole: {whole.problem}")
        return SkipBad(stream, bad) if bad else stream
    if bad:
        first = ", ".join(f"{finding.id} ({finding.problem})" for finding in bad[:3])
        raise UsageError(
            f"{stream.name}: {len(bad)} images cannot be used: {first}{', ...' if len(bad) > 3 else ''}; mend them "
            f"(`python run_suite.py check-data --stream ...` looks again) or leave them out with --on-bad-image skip"
        )
    return stream
