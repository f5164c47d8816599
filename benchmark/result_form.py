"""The form that a stored result must have; what is of another form is refused with the place that is wrong."""

from __future__ import annotations

from typing import Any

NUMBER = (int, float)
ROWS = [[NUMBER]]
TRACK = {
    "stages": [int],
    "accuracy": ROWS,
    "validation": ROWS,
    "ood": ROWS,
    "router_accuracy?": [(*NUMBER, type(None))],
    "ood_by_k?": {"*": ROWS},
}
FORM = {
    "spec": {
        "stream": {"name": str},
        "order": [str],
        "backbone": {"name": str},
        "strategy": {"name": str, "params": {"*": object}},
        "train": {"*": (str, bool, *NUMBER, type(None))},
        "seed": int,
    },
    "traits": {"*": bool},
    "ood_names": [str],
    "tracks": {"*": TRACK},
    "counts": {"*": int},
    "history": [{"*": object}],
    "cost": {"*": (*NUMBER, type(None))},
    "environment": {"*": (str, bool, *NUMBER, type(None))},
    "blocks?": {"names": [str], "tasks": {"*": {"active": [bool], "scores": [NUMBER]}}},
    "defaults?": {"*": object},
}
"""A type or types; a list of one form for all items; a mapping of keys that must be there (``?``: may be null or
absent; ``*``: every key)."""


def check(value: Any, form: Any = FORM, place: str = "") -> None:
    """ValueError that names the first place of `value` which is not of the form."""
    if isinstance(form, dict):
        _expect(isinstance(value, dict), value, "an object", place)
        for name, part in form.items():
            if name == "*":
                for key, item in value.items():
                    check(item, part, f"{place}.{key}")
            elif not name.endswith("?"):
                if name not in value:
                    raise ValueError(f"{place}.{name}".lstrip(".") + " is missing")
                check(value[name], part, f"{place}.{name}")
            elif value.get(name[:-1]) is not None:
                check(value[name[:-1]], part, f"{place}.{name[:-1]}")
    elif isinstance(form, list):
        _expect(isinstance(value, list), value, "a list", place)
        if isinstance(form[0], (type, tuple)) and all(_is(item, form[0]) for item in value):
            return
        for index, item in enumerate(value):
            check(item, form[0], f"{place}[{index}]")
    elif form is not object and not _is(value, form):
        types = form if isinstance(form, tuple) else (form,)
        _expect(False, value, " or ".join(kind.__name__ for kind in types), place)


def _is(value: Any, form: Any) -> bool:
    """Whether `value` is of the type or one of the types; a truth value is no number."""
    if isinstance(value, bool):
        return form is bool or form is object or (isinstance(form, tuple) and bool in form)
    return isinstance(value, form)


def _expect(right: bool, value: Any, expected: str, place: str) -> None:
    if not right:
        raise ValueError(f"{place.lstrip('.')} is {str(value)[:40]!r}, expected {expected}")
