"""Small pictures of test images that a run forgot, kept beside its result: a report needs no data set to show them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise, zip_longest
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmark.data.stream_data import StreamData
from benchmark.result import AGNOSTIC, ROUTED, Track
from benchmark.samples import forgotten

SIDE = 64
"""Pixels of a picture; smaller images stay as they are."""
PER_STAGE = 8
"""Pictures for each domain learned."""


def gallery(
    tracks: Mapping[str, Track], predictions: Mapping[str, np.ndarray], order: Sequence[str], data: StreamData
) -> dict[str, Any]:
    """Images that were right before a domain was learned and wrong after it, JSON-ready.

    ``{"track", "size", "items": [{stage, set, id, label, before, after, confidence, image}]}``: stage counts the
    domains learned; before and after are class names, confidence that of the right answer; image is a JPEG in
    base64. The most confident answers come first, the sets take turns. The track is the one in which the domain is
    not given.
    """
    track = next(name for name in (AGNOSTIC, ROUTED, *tracks) if name in tracks)
    stages = tracks[track].stages
    items = []
    for before, stage in pairwise(stages):
        lost = [
            [(name, int(index)) for index in forgotten(predictions, track, stage, name)[:PER_STAGE]]
            for name in (*order, *data.stream.ood)
        ]
        turns = [one for one in chain.from_iterable(zip_longest(*lost)) if one is not None]
        items += [_item(predictions, track, before, stage, name, index, data) for name, index in turns[:PER_STAGE]]
    return {"track": track, "size": SIDE, "items": items}


def _item(
    predictions: Mapping[str, np.ndarray], track: str, before: int, stage: int, name: str, index: int, data: StreamData
) -> dict[str, Any]:
    classes = data.stream.classes(name)
    image, label = data.test(name)[index]
    return {
        "stage": stage,
        "set": name,
        "id": str(predictions[f"ids/{name}"][index]),
        "label": classes[label],
        "before": classes[int(predictions[f"{track}/{before}/{name}/class"][0, index])],
        "after": classes[int(predictions[f"{track}/{stage}/{name}/class"][0, index])],
        "confidence": round(float(predictions[f"{track}/{before}/{name}/confidence"][0, index]), 4),
        "image": _picture(image),
    }


def _picture(image: torch.Tensor) -> str:
    """uint8 [3, S, S] as JPEG in base64."""
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()
