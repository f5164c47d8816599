"""A stream with another set of prompt templates."""

from __future__ import annotations

import hashlib
from typing import Any

from benchmark.errors import unknown
from benchmark.streams.base import Stream
from benchmark.streams.wrapper import StreamWrapper

TEMPLATE_SETS = {
    "simple": "one template: a photo of a {}.",
    "openai-7": "the 7 templates that CLIP's authors chose for ImageNet, as open_clip has them",
    "openai-80": "CLIP's 80 templates for ImageNet, as open_clip has them",
}


class Prompted(StreamWrapper):
    """`stream` with the template set `chosen` for all its domains and out-of-domain sets."""

    def __init__(self, stream: Stream, chosen: str) -> None:
        super().__init__(stream)
        if chosen not in TEMPLATE_SETS:
            raise unknown("template set", chosen, TEMPLATE_SETS)
        self.chosen, self.templates = chosen, template_set(chosen)

    def prompts(self, name: str) -> tuple[str, ...]:
        """The chosen templates, whatever the set."""
        return self.templates

    def identity(self) -> dict[str, Any]:
        """The stream's identity, the name of the set and the hash of its text."""
        digest = hashlib.sha256("\n".join(self.templates).encode()).hexdigest()[:12]
        return {**super().identity(), "templates": f"{self.chosen} {digest}"}


def template_set(name: str) -> tuple[str, ...]:
    """The templates of a name of `TEMPLATE_SETS`; ``{}`` takes a class name."""
    if name == "simple":
        return ("a photo of a {}.",)
    from open_clip import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    chosen = {"openai-7": SIMPLE_IMAGENET_TEMPLATES, "openai-80": OPENAI_IMAGENET_TEMPLATES}[name]
    return tuple(template("{}") for template in chosen)
