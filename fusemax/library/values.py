"""What a caller of Python gives, held to the kind that is wanted: the value, or a message that says what was expected."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from fusemax.errors import FusemaxError
from fusemax.source import shortened


def shown(value: object) -> str:
    """Return *value* as a message shows it, its middle left out where it is long.

    >>> shown("4 XB"), shown(10**5000)
    ("'4 XB'", 'int')
    """
    try:
        return shortened(" ".join(repr(value).split()), 60)
    except Exception:  # a whole number of thousands of digits, or an object that cannot be shown
        return type(value).__name__


def entries(value: object, what: str) -> Mapping[str, Any]:
    """Return the values by name that *value* holds; none for None.

    Raises
    ------
    FusemaxError
        When it is no dict, or a name is no text.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FusemaxError(f"{what}: expected values by name, such as {{'M': 4096}}, got {shown(value)}")
    names = cast("Mapping[Any, Any]", value)
    strange = [name for name in names if not isinstance(name, str)]
    if strange:
        raise FusemaxError(f"{what}: a name is a text, got {shown(strange[0])}")
    return cast("Mapping[str, Any]", names)


def name(value: object, what: str) -> str:
    """Return *value*, which is a text; raise FusemaxError where it is none."""
    if not isinstance(value, str):
        raise FusemaxError(f"{what}: expected a name, got {shown(value)}")
    return value


def names(value: object, what: str) -> tuple[str, ...]:
    """Return the texts that *value* lists; raise FusemaxError where it is no list of them, or one text."""
    listed = _listed(value, what, "names")
    for one in listed:
        if not isinstance(one, str):
            raise FusemaxError(f"{what}: expected a list of names, got {shown(one)} in it")
    return tuple(listed)


def groups(value: object, what: str) -> tuple[tuple[str, ...], ...]:
    """Return the lists of texts that *value* lists; raise FusemaxError where it is no list of lists."""
    return tuple(names(one, what) for one in _listed(value, what, "lists of names"))


def whole(value: object, what: str, least: int = 0) -> int:
    """Return *value* as a whole number of at least *least*; raise FusemaxError where it is none."""
    try:
        number = operator.index(value) if not isinstance(value, bool) else least - 1  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        raise FusemaxError(f"{what}: expected a whole number of at least {least}, got {shown(value)}")
    return number


def seconds(value: object, what: str) -> float:
    """Return *value* as a time from 0; raise FusemaxError where it is none."""
    try:
        number = -1.0 if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not number >= 0:
        raise FusemaxError(f"{what}: expected a number of seconds from 0, got {shown(value)}")
    return number


def figure(value: object, what: str) -> str | float:
    """Return *value* as a number or a quantity in a text; raise FusemaxError where it is neither."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value  # type: ignore[union-attr]
    if isinstance(plain, bool) or not isinstance(plain, str | int | float):
        raise FusemaxError(f"{what}: expected a number or a quantity, got {shown(value)}")
    if isinstance(plain, int) and plain.bit_length() > 1024:
        raise FusemaxError(f"{what}: a whole number too large for double precision")
    return plain


def arrays(value: object, what: str) -> Mapping[str, Any]:
    """Return the arrays of numbers by name that *value* holds, as float64; raise FusemaxError for what is none."""
    import numpy as np

    found: dict[str, Any] = {}
    for key, array in entries(value, what).items():
        try:
            found[key] = np.asarray(array, dtype=np.float64)
        except (TypeError, ValueError, OverflowError, MemoryError):
            raise FusemaxError(f"{what}: {key}: expected an array of numbers, got {shown(array)}") from None
    return found


def path(value: object, what: str) -> Path:
    """Return *value* as a path; raise FusemaxError where it is neither a text nor a path."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise FusemaxError(f"{what}: expected a name or a path, got {shown(value)}")
    return Path(value)


def _listed(value: object, what: str, kind: str) -> Sequence[Any]:
    if isinstance(value, str):
        raise FusemaxError(
            f"{what}: expected a list of {kind}, got the text {shown(value)}\n  hint: write [{shown(value)}]"
        )
    found = value.tolist() if hasattr(value, "tolist") else value  # type: ignore[union-attr]
    if not isinstance(found, list | tuple):
        raise FusemaxError(f"{what}: expected a list of {kind}, got {shown(value)}")
    return cast("Sequence[Any]", found)
