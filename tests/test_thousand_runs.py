"""A results folder with a thousand runs: the report takes seconds and little memory, the page stays small."""

from __future__ import annotations

import base64
import io
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.samples import summarize
from benchmark.store import Store
from tests.synthetic import STRATEGIES, predictions_of, store_of, synthetic

ROOT = Path(__file__).parent.parent
SECONDS, MEGABYTES, PAGE_MEGABYTES = 5.0, 500, 15
BUSY = 1.7
"""A processor that others use at the same time takes so much longer for the same work; alone it must be SECONDS."""


def with_samples(store: Store, results: list) -> None:
    """What real runs have beside their result: samples of the run's kind, and pictures of their own."""
    rng = np.random.default_rng(0)
    samples: dict[tuple[str, ...], str] = {}
    for result in results:
        kind = (result.spec.strategy["name"], *result.tracks)
        if kind not in samples:
            stages = {name: track.stages for name, track in result.tracks.items()}
            names = {name: [f"class {k}" for k in range(10)] for name in result.counts}
            made = summarize(predictions_of(result), stages, result.spec.order, result.ood_names, names)
            samples[kind] = json.dumps(made)
        folder = store.folder(result.spec)
        (folder / "samples.json").write_text(samples[kind])
        (folder / "gallery.json").write_text(json.dumps(gallery(result, rng)))


def gallery(result, rng: np.random.Generator) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(buffer, format="JPEG")
    item = {"set": result.spec.order[0], "id": "x", "label": "class 1", "before": "class 1", "after": "class 2"}
    item |= {"confidence": 0.9, "image": base64.b64encode(buffer.getvalue()).decode()}
    track = next(name for name in ("agnostic", "routed") if name in result.tracks)
    return {"track": track, "size": 64, "items": [{"stage": stage, **item} for stage in range(2, 7) for _ in range(8)]}


@pytest.mark.parametrize(("seeds", "variants"), [(100, 1), (10, 10)], ids=["many-seeds", "many-configurations"])
def test_a_thousand_runs(seeds, variants, tmp_path):
    results = [
        synthetic(strategy, seed, **({"budget": float(variant)} if variant else {}))
        for strategy in STRATEGIES
        for seed in range(seeds)
        for variant in range(variants)
    ]
    assert len(results) == 1000
    with_samples(store_of(tmp_path, results), results)
    code = (
        "import sys, run_suite; code = run_suite.main(sys.argv[1:]);"
        "print('peak', open('/proc/self/status').read().split('VmHWM:')[1].split()[0]); sys.exit(code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, "report", "--results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # Processor time: what the clock shows depends on what else the machine does.
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(done.stdout.split("peak ")[1].split()[0]) / 1024
    size = (tmp_path / "report.html").stat().st_size / 1e6
    print(f"{spent:.2f} s, {peak:.0f} MB, page {size:.1f} MB")
    assert spent <= BUSY * SECONDS and peak <= MEGABYTES and size < PAGE_MEGABYTES
    assert ": left out" not in done.stdout
