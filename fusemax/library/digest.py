"""The name that content has: equal cascades, machines and mappings get the same one, wherever they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, cast

from pydantic import BaseModel

#: Fields that say where something was read.
PLACES = frozenset({"place", "file"})


def digest_of(*values: Any) -> str:
    """Return the SHA-256, in hexadecimal, of what *values* hold; places in files do not count.

    >>> digest_of({"M": 1.0, "P": 2}) == digest_of({"M": 1.0, "P": 2}), digest_of(1) == digest_of("1")
    (True, False)
    """
    whole = hashlib.sha256()
    for value in values:
        for piece in _pieces(value):
            whole.update(piece.encode())
            whole.update(b"\0")
    return whole.hexdigest()


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from _fields(value, type(value).model_fields)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _fields(value, [field.name for field in fields(value) if field.compare])
    elif isinstance(value, Mapping):
        yield "{"
        for key, inner in cast("Mapping[Any, Any]", value).items():
            yield from _pieces(key)
            yield from _pieces(inner)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for inner in cast("Sequence[Any]", value):
            yield from _pieces(inner)
        yield "]"
    elif isinstance(value, set | frozenset):
        yield from _pieces(sorted(cast("frozenset[Any]", value)))
    else:
        yield f"{type(value).__name__} {value!r}"


def _fields(value: Any, names: Any) -> Iterator[str]:
    yield f"{type(value).__name__}("
    for name in names:
        if name not in PLACES:
            yield name
            yield from _pieces(getattr(value, name))
    yield ")"
