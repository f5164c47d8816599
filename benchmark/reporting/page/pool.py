"""Values that many runs share are kept once."""

from __future__ import annotations

import json
from typing import Any


class Pool:
    """Distinct JSON values, in the order in which they came; each is known by its place."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        """Where `value` is; it is added if it is new."""
        text = json.dumps(value, sort_keys=True)
        if text not in self._places:
            self._places[text] = len(self.values)
            self.values.append(value)
        return self._places[text]
