"""What somebody gives for a file: a name, a path, the text of one, or its content as Python values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from fusemax.errors import FusemaxError, Place, Problem, ProblemsError, raise_if_any
from fusemax.source import LIMITS, Document, KeyPath, Text, document_of, read_yaml

MOST_VALUES = 1_000_000  #: of a dict: as many as an axis of a grid may have
#: A name or a path or a text in YAML, a path, or keys with values.
Given = str | Path | Mapping[str, Any]


def document_given(given: Given | object, what: str, find: Callable[[str], Path]) -> Document:
    """Return the document that *given* means; *what* it is, in one word, *find* gives the file of a name.

    A text with more than one line is YAML.

    Raises
    ------
    FusemaxError
        When there is no such name or file, or it is not YAML; when values cannot stand in a file.
    """
    if isinstance(given, Path):
        return read_yaml(given)
    if isinstance(given, Mapping):
        return document_of_values(cast("Mapping[str, Any]", given), what)
    if not isinstance(given, str):
        kinds = "a name, a path, a text in YAML, or a dict"
        raise FusemaxError(f"{what}: expected {kinds}, got {type(given).__name__}")
    return document_of(given, f"<{what}>") if "\n" in given else read_yaml(find(given))


def document_of_values(values: Mapping[str, Any], what: str) -> Document:
    """Return *values* as a document; problems in it name the path of keys, for there is no line.

    >>> document = document_of_values({"levels": {"DRAM": {"bandwidth": "1 GB/s"}}}, "machine")
    >>> str(document.problem(("levels", "DRAM"), "is wrong"))
    '<machine>: levels.DRAM: is wrong'
    """
    reader = _Values(what)
    data = reader.read(values, ())
    raise_if_any(reader.problems)
    return Document(f"<{what}>", data, {(): reader.place}, {}, reader.texts)


class _Values:
    def __init__(self, what: str) -> None:
        self.what, self.place = what, Place(f"<{what}>", 0, 0)
        self.texts: dict[KeyPath, Text] = {}
        self.problems: list[Problem] = []
        self._open: list[int] = []
        self._values = 0

    def read(self, value: Any, path: KeyPath) -> Any:
        """Return *value* as a file would hold it: numbers of numpy as numbers, tuples and arrays as lists, keys as text."""
        if len(path) > LIMITS.depth:
            return self._refuse(path[:4], f"lists and dicts lie more than {LIMITS.depth} deep in each other")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str | int | float):
            return self._scalar(value, path)
        if isinstance(value, Path):
            return self._scalar(str(value), path)
        if hasattr(value, "tolist"):
            return self.read(value.tolist(), path)
        if id(cast(object, value)) in self._open:
            return self._refuse(path, "holds itself")
        if isinstance(value, Mapping | list | tuple | range):
            self._count(len(cast("Sequence[Any]", value)), path)
            self._open.append(id(cast(object, value)))
            if isinstance(value, Mapping):
                entries = cast("Mapping[Any, Any]", value).items()
                read = {str(key): self.read(inner, (*path, str(key))) for key, inner in entries}
            else:
                listed = cast("Sequence[Any]", value)
                read = [self.read(inner, (*path, place)) for place, inner in enumerate(listed)]
            self._open.pop()
            return read
        return self._refuse(path, f"a file holds no {type(cast(object, value)).__name__}")

    def _count(self, more: int, path: KeyPath) -> None:
        """Stop when there are more values than anybody can have meant."""
        self._values += more
        if self._values > MOST_VALUES:
            dotted = ".".join(str(step) for step in path)
            text = f"{dotted}: more than {MOST_VALUES:,} values"
            hint = "write a range as {'from': 1, 'to': 4096, 'steps': 4096}"
            raise ProblemsError([*self.problems, Problem(self.place, text, hint)])

    def _scalar(self, value: str | float, path: KeyPath) -> str | float | None:
        if isinstance(value, int) and value.bit_length() > 1024:
            return self._refuse(path, "a whole number too large for double precision")
        dotted = ".".join(str(step) for step in path)
        self.texts[path] = Text(str(value), f"<{self.what}: {dotted}>")
        return value

    def _refuse(self, path: KeyPath, text: str) -> None:
        dotted = ".".join(str(step) for step in path)
        self.problems.append(Problem(self.place, f"{dotted}: {text}", "give text, numbers, lists and dicts"))
