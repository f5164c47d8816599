"""`run_suite.py check-data`: is every image there and whole?"""

from __future__ import annotations

import argparse
import dataclasses

from benchmark.arguments import add_stream, stream_fields


def parser() -> argparse.ArgumentParser:
    """Which data, and how many files are read at once."""
    text = "Read every image of a stream: missing, broken and duplicated files, classes without images."
    parser = argparse.ArgumentParser("run_suite.py check-data", description=text)
    add_stream(parser)
    parser.add_argument("--workers", type=int, default=4, help="files read at once (default: 4)")
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0 if all is well, else 1."""
    from benchmark.data.check import check_data
    from benchmark.suite import SuiteConfig, whole_stream

    fields = stream_fields(options)
    # What is missing is to be listed here, not refused: the rule is for runs.
    data = dataclasses.replace(fields["data"], on_bad_image="skip")
    stream = whole_stream(SuiteConfig(**{**fields, "data": data}))
    report = check_data(stream, data, workers=options.workers)
    print(report)
    return 0 if report.passed else 1
