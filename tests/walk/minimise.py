"""A smaller design that still shows the same difference: entries of its data left out or made smaller, one at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.walk.design import Design


def minimised(design: Design, fails: Callable[[Design], bool], tries: int = 400) -> Design:
    """Return a design no larger than *design* for which *fails* holds still."""
    left = tries
    while True:
        for smaller in _smaller(design):
            if left == 0:
                return design
            left -= 1
            if _safely(fails, smaller):
                design = smaller
                break
        else:
            return design


def _safely(fails: Callable[[Design], bool], design: Design) -> bool:
    try:
        return fails(design)
    except Exception:  # a half design may break anything; it is only tried
        return False


def _smaller(design: Design) -> Iterator[Design]:
    parts = json.loads(
        json.dumps({"machine": design.machine, "mapping": design.mapping, "sizes": design.sizes})
    )
    cascade = design.cascade if isinstance(design.cascade, str) else dict(design.cascade)
    for changed in _changes(parts):
        yield Design(cascade, changed["machine"], changed["mapping"], changed["sizes"])
    if not isinstance(cascade, str):
        rows = cascade["einsums"].strip().split("\n")
        for number in range(len(rows)):
            fewer = {**cascade, "einsums": "\n".join(rows[:number] + rows[number + 1 :]) + "\n"}
            name = rows[number].partition("[")[0]
            fewer["outputs"] = [o for o in cascade["outputs"] if o != name]
            mapping = _without(parts["mapping"], name)
            yield Design(fewer, parts["machine"], mapping, parts["sizes"])


def _without(mapping: Any, name: str) -> Any:
    if isinstance(mapping, dict):
        return {k: _without(v, name) for k, v in mapping.items()}
    if isinstance(mapping, list):
        return [
            _without(v, name)
            for v in mapping
            if v != name and not (isinstance(v, dict) and v.get("tensor") == name)
        ]
    return mapping


def _changes(data: Any) -> Iterator[Any]:
    for path in _paths(data):
        for value in _lesser(_at(data, path)):
            changed = copy.deepcopy(data)
            if value is _GONE:
                del _at(changed, path[:-1])[path[-1]]
            else:
                _at(changed, path[:-1])[path[-1]] = value
            yield changed


_GONE = object()
_FIXED = {
    "title",
    "source",
    "clock",
    "word",
    "cascade",
    "levels",
    "units",
    "operations",
    "shape",
    "registers",
    "depth",
}


def _paths(data: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        found.append((*here, key))
        found += _paths(value, (*here, key))
    return [path for path in found if path not in (("machine",), ("mapping",), ("sizes",))]


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _lesser(value: Any) -> Iterator[Any]:
    if isinstance(value, bool) or value is None:
        yield _GONE
    elif isinstance(value, int):
        yield from dict.fromkeys(v for v in (1, value // 2, value - 1) if 1 <= v < value)
        yield _GONE
    elif value == "1 GiB":
        return
    elif isinstance(value, str) and value in ("serial", "auto"):
        yield "overlapped"
    elif isinstance(value, str):
        yield _GONE
    else:
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "do" in value[0]:
            inner = value[0]["do"]
            yield inner
        yield _GONE
        if isinstance(value, dict) and "tensor" in value:
            yield value["tensor"]
