"""The benchmark: streams, backbones, runs, results and reports."""
