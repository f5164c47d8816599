"""`run_suite.py ls`: every name that can be asked for."""

from __future__ import annotations

import argparse

from benchmark.registry import entries


def parser() -> argparse.ArgumentParser:
    """No options."""
    return argparse.ArgumentParser("run_suite.py ls", description="List streams, backbones, strategies and orders.")


def run(options: argparse.Namespace, given: list[str]) -> int:
    """Print the registries."""
    from benchmark.streams.prompted import TEMPLATE_SETS

    for kind in ("streams", "sources", "backbones", "strategies"):
        print("out-of-domain sets (--ood):" if kind == "sources" else f"{kind}:")
        for name, entry in entries(kind).items():
            label = f"{name}:{entry.argument}" if entry.argument else name
            print(f"  {label:<22} {entry.summary}")
    print("templates:")
    for name, summary in {"default": "the stream's own", **TEMPLATE_SETS}.items():
        print(f"  {name:<22} {summary}")
    print("orders:\n  default                the stream's own\n  reversed               the other way round")
    print("  a,b,c                  domains, separated by commas")
    return 0
