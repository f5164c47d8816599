"""One module a command: `parser()` says its options, `run(options, given)` does it and returns the exit code."""
