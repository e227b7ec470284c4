"""A mapping as YAML that people read: nests as a tree, everything short on one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

PLAIN = re.compile(r"[A-Za-z0-9_./+*-][A-Za-z0-9_./+*() -]*")
ORDER = ("name", "tiles", "for", "spread", "keep", "spatial", "schedule", "do")


def mapping_text(data: Mapping[str, Any]) -> str:
    """Return the YAML text of a mapping file's *data*.

    >>> print(mapping_text({"title": "t", "nests": [{"for": ["b"], "do": [{"for": ["m1"], "do": ["QK"]}]}]}), end="")
    title: t
    nests:
    - for: [b]
      do:
      - for: [m1]
        do: [QK]
    """
    lines: list[str] = []
    for key, value in data.items():
        if key == "nests":
            lines += ["nests:", *(line for nest in value for line in _nest(nest, 0))]
        elif key == "bind":
            lines += ["bind:", *(f"  {_flow(unit)}: {_flow(names)}" for unit, names in value.items())]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _nest(nest: Mapping[str, Any], depth: int) -> list[str]:
    lead = "  " * depth
    lines: list[str] = []
    for key in (key for key in ORDER if key in nest):
        value = nest[key]
        head = f"{lead}{'  ' if lines else '- '}{key}:"
        if key == "do" and value and isinstance(value[0], Mapping):
            lines.append(head)
            for inner in value:
                lines += _nest(inner, depth + 1)
        else:
            lines.append(f"{head} {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(
                f"{_flow(key)}: {_flow(one)}" for key, one in cast("Mapping[Any, Any]", value).items()
            )
            + "}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(one) for one in cast("Sequence[Any]", value)) + "]"
    text = str(value)
    return text if PLAIN.fullmatch(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def with_tiles(text: str, tiles: Mapping[str, int] | None) -> str:
    """Return the mapping file *text* of one phase with other *tiles*, or with none to compare structures.

    >>> with_tiles("tiles: {M0: 4}", {"M0": 8})
    'tiles: {M0: 8}'
    """
    named = "" if tiles is None else f"tiles: {_flow(dict(tiles))}"
    return "\n".join(named if line.startswith("tiles:") else line for line in text.split("\n"))


def with_cascade(text: str, cascade: str, folder: Path) -> str:
    """Return the mapping file *text* with its cascade named so that it is found from *folder*: a path is made relative."""
    path = Path(cascade)
    if path.suffix != ".yaml" or not path.exists():
        return text
    named = os.path.relpath(path, folder)
    lines = [f"cascade: {named}" if line.startswith("cascade:") else line for line in text.split("\n")]
    return "\n".join(lines)
