"""``fusemax schema``: what a file may hold, as a JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

import typer

#: The model of each kind of file.
MODELS: Mapping[str, str] = {
    "machine": "fusemax.machine:Machine",
    "cascade": "fusemax.cascade.build:CascadeFile",
    "mapping": "fusemax.mapping.spec:MappingFile",
    "study": "fusemax.study.spec.file:StudyFile",
}
QUANTITY: Mapping[str, Any] = {"type": ["string", "number"]}
#: The short forms in which a file may write a part, besides its keys.
SHORT: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "Operation": (QUANTITY, {"type": "object", "additionalProperties": QUANTITY}),
    "Kept": ({"type": "string"},),
    "Condition": ({"type": "string"},),
}
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(
    kind: Literal["machine", "cascade", "mapping", "study"] = typer.Argument(help="The kind of file."),
) -> None:
    """Print the JSON Schema of a kind of file: an editor with it completes keys and marks mistakes while you type.

    Write it to a file, and begin your own file with the line
    "# yaml-language-server: $schema=machine.schema.json".
    """
    import json

    typer.echo(json.dumps(schema_of(kind), indent=2))


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the *kind* of file, one of :data:`MODELS`.

    >>> sorted(schema_of("machine")["required"])
    ['clock', 'levels', 'source', 'title', 'units', 'word']
    """
    module, name = MODELS[kind].split(":")
    found = getattr(import_module(module), name).model_json_schema(by_alias=True)
    parts = {part: _with_short(part, form) for part, form in found.get("$defs", {}).items()}
    return _plain({"$schema": DRAFT, **found, **({"$defs": parts} if parts else {})})


def _plain(value: Any) -> Any:
    """Return *value* without defaults that are no values of a file, and without titles that only repeat a key."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(inner) for key, inner in value.items()}
    if isinstance(plain.get("default"), dict):
        plain["default"] = plain["default"].get("value")
    if isinstance(plain.get("title"), str) and ("type" in plain or "anyOf" in plain or "oneOf" in plain):
        del plain["title"]
    return plain


def _with_short(part: str, form: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*SHORT[part], dict(form)]} if part in SHORT else dict(form)
