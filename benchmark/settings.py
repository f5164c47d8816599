"""Hyper-parameters from the command line, converted to the types of a strategy's fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.errors import UsageError, unknown


def parse_settings(items: Sequence[str]) -> dict[str, dict[str, str]]:
    """``["selora.budget=0.05"]`` -> {"selora": {"budget": "0.05"}}."""
    settings: dict[str, dict[str, str]] = defaultdict(dict)
    for item in items:
        target, equals, value = item.partition("=")
        name, dot, field = target.rpartition(".")
        if not (equals and dot and name and field):
            raise UsageError(f"--set {item}: expected STRATEGY.FIELD=VALUE, such as selora.budget=0.05")
        settings[name][field] = value
    return dict(settings)


def apply_settings(name: str, cls: type, values: Mapping[str, str]) -> Any:
    """Strategy `cls` with `values` in place of its defaults; UsageError for an unknown field or value."""
    if not dataclasses.is_dataclass(cls):
        raise UsageError(f"strategy '{name}': {cls.__name__} must be a dataclass derived from strategies.base.Strategy")
    hints = typing.get_type_hints(cls)
    fields = [field.name for field in dataclasses.fields(cls)]
    converted = {}
    for field, text in values.items():
        if field not in fields:
            raise unknown(f"field of {name}", field, fields)
        converted[field] = _convert(f"{name}.{field}", hints[field], text)
    try:
        return cls(**converted)
    except ValueError as error:
        raise UsageError(f"strategy '{name}': {error}") from error


def _convert(label: str, hint: Any, text: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if types.NoneType in options and text.lower() in ("none", ""):
        return None
    kind = next(option for option in options if option is not types.NoneType)
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UsageError(f"--set {label}={text}: expected true or false")
    try:
        return kind(text)
    except ValueError as error:
        raise UsageError(f"--set {label}={text}: expected {kind.__name__}") from error
