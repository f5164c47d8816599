"""The command line: `python run_suite.py [COMMAND] [OPTIONS]`; what each does is in `benchmark/commands`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from benchmark.errors import UsageError, unknown

COMMANDS = ("run", "ls", "report", "check", "check-data", "compare", "merge", "metrics", "export")
"""Each is a module of `benchmark.commands`, loaded only when it is asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 all well, 1 a run or a check failed, 2 something in the request is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (given[0], given[1:]) if given and not given[0].startswith("-") else ("run", given)
    try:
        if command not in COMMANDS:
            raise unknown("command", command, COMMANDS)
        module = importlib.import_module(f"benchmark.commands.{command.replace('-', '_')}")
        return module.run(module.parser().parse_args(rest), given)
    except UsageError as error:
        print(f"run_suite.py: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
