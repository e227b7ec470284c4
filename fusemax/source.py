"""YAML text to plain data with a place for every key and value.

Scalars follow YAML 1.2: only ``true``/``false``/``null`` and plain decimal numbers are special, so ``NO`` stays text and
``1e-12`` is a number. Equal keys in one mapping are a mistake, not a silent choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fusemax.errors import FusemaxError, Place, Problem, ProblemsError, raise_if_any

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
INTEGER = re.compile(r"[-+]?\d+$")
DECIMAL = re.compile(r"[-+]?(\d+\.\d*|\.?\d+)([eE][-+]?\d+)?$")
CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text inside a file: *line* and *column* (from 1) are those of its first character.

    Later lines start at the same column, as in a YAML block.
    """

    content: str
    file: str = "<text>"
    line: int = 1
    column: int = 1

    def place(self, line: int, column: int) -> Place:
        """Return the place in the file of (line, column), both counted from 0 inside the text."""
        return Place(self.file, self.line + line, self.column + column)

    def line_at(self, line: int) -> str:
        """Return the text of one line, indented as in the file."""
        return " " * (self.column - 1) + self.content.split("\n")[line]


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, with the place of every key and value by path."""

    file: str
    data: Any
    values: Mapping[KeyPath, Place]
    keys: Mapping[KeyPath, Place]
    texts: Mapping[KeyPath, Text]

    def place(self, path: KeyPath, key: bool = False) -> Place:
        """Return where the value (or the key) at *path* stands; the nearest enclosing one if it is missing."""
        table = self.keys if key else self.values
        for end in range(len(path), -1, -1):
            found = table.get(path[:end]) or self.values.get(path[:end])
            if found is not None:
                return found
        return Place(self.file, 1, 1)

    def text(self, path: KeyPath) -> Text:
        """Return the text value at *path* with its place, ready to be parsed."""
        return self.texts[path]

    def problem(self, path: KeyPath, text: str, hint: str | None = None, key: bool = False) -> Problem:
        """Return a problem that names the value (or key) at *path*."""
        dotted = ".".join(str(part) for part in path)
        return Problem(self.place(path, key), f"{dotted}: {text}" if dotted else text, hint)


def read_yaml(path: Path) -> Document:
    """Return the document in the file at *path*.

    Raises
    ------
    FusemaxError
        If the file cannot be read, is not YAML, or holds a key twice.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FusemaxError(f"{path}: not a text file in UTF-8 ({error.reason})") from None
    except OSError as error:
        raise FusemaxError(f"{path}: cannot be read ({error.strerror})") from None
    return document_of(content, str(path))


def document_of(content: str, file: str = "<text>") -> Document:
    """Return the document that *content* holds; *file* is the name used in messages."""
    import yaml

    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise ProblemsError([Problem(place, f"not YAML: {error.problem or error.context}")]) from None
    except yaml.YAMLError as error:
        raise FusemaxError(f"{file}: not YAML: {error}") from None
    if node is None:
        raise ProblemsError([Problem(Place(file, 1, 1), "the file is empty")])
    reader = _Reader(file, content.split("\n"))
    data = reader.read(node, ())
    raise_if_any(reader.problems)
    return Document(file, data, reader.values, reader.keys, reader.texts)


class _Reader:
    """Turns YAML nodes into data and collects places on the way."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file, self.lines = file, lines
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.texts: dict[KeyPath, Text] = {}
        self.problems: list[Problem] = []

    def read(self, node: Any, path: KeyPath) -> Any:
        import yaml

        self.values[path] = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: Any, path: KeyPath) -> dict[str | int, Any]:
        data: dict[str | int, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key == "<<":
                self._merge(value_node, path, data)
                continue
            if key in data and key in own:
                first = self.keys[here]
                text = f"key {key!r} stands twice in one mapping"
                self.problems.append(Problem(self._place(key_node), text, f"first at line {first.line}"))
            own.add(key)
            self.keys[here] = self._place(key_node)
            data[key] = self.read(value_node, here)
        return data

    def _merge(self, node: Any, path: KeyPath, data: dict[str | int, Any]) -> None:
        """Take over the keys of an anchored mapping (``<<: *name``) that the mapping does not give itself."""
        import yaml

        if not isinstance(node, yaml.MappingNode):
            self.problems.append(Problem(self._place(node), "'<<' takes one anchored mapping, such as *name"))
            return
        for key, value in self._mapping(node, path).items():
            data.setdefault(key, value)

    def _scalar(self, node: Any, path: KeyPath) -> Any:
        self.texts[path] = self._text(node)
        value = str(node.value)
        if node.style is not None:
            return value
        if value in CONSTANTS:
            return CONSTANTS[value]
        if INTEGER.match(value):
            return int(value)
        return float(value) if DECIMAL.match(value) else value

    def _text(self, node: Any) -> Text:
        line, column = node.start_mark.line, node.start_mark.column
        if node.style in ("|", ">"):
            line += 1
            while line < len(self.lines) and not self.lines[line].strip():
                line += 1
            body = self.lines[line] if line < len(self.lines) else ""
            return Text(str(node.value), self.file, line + 1, len(body) - len(body.lstrip()) + 1)
        return Text(str(node.value), self.file, line + 1, column + 1 + (node.style is not None))

    def _place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


Model = TypeVar("Model", bound="BaseModel")
#: What a value of the wrong type should have been, by pydantic's name of the mistake.
EXPECTED: Mapping[str, str] = {
    "bool_type": "expected true or false",
    "dict_type": "expected keys with values",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "model_attributes_type": "expected keys with values",
    "model_type": "expected keys with values",
    "string_type": "expected text",
}


def typed(document: Document, model: type[Model], at: KeyPath = ()) -> Model:
    """Return the part of *document* at *at* as a *model*.

    Raises
    ------
    ProblemsError
        With every mistake, each with its place, its path and, for a misspelt key, the nearest right one.
    """
    from pydantic import ValidationError

    data = document.data
    for step in at:
        data = data[step]
    if not isinstance(data, dict):
        raise ProblemsError([document.problem(at, f"expected a mapping of keys to values, got {data!r}")])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ProblemsError(_problems_of(document, model, at, error)) from None


def _problems_of(document: Document, model: type[Any], at: KeyPath, error: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[tuple[KeyPath, str]] = set()
    for mistake in error.errors():
        path = at + _data_path(document.data, at, mistake["loc"])
        problem = _problem_of(document, model, path, mistake)
        if (path, problem.text) not in seen:
            seen.add((path, problem.text))
            problems.append(problem)
    return problems


def _data_path(data: Any, at: KeyPath, loc: tuple[str | int, ...]) -> KeyPath:
    """Return *loc* without the steps that pydantic adds for unions and keys, as they are not in the data."""
    data = _at(data, at)
    path: list[str | int] = []
    for position, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            path.append(step)
            data = _at(data, (step,))
        elif position == len(loc) - 1 and isinstance(data, dict) and str(step)[0] not in "[<":
            path.append(step)
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _problem_of(document: Document, model: type[Any], path: KeyPath, mistake: Any) -> Problem:
    kind = mistake["type"]
    if kind == "extra_forbidden":
        near = get_close_matches(str(path[-1]), _known_keys(mistake, model, path), 1)
        hint = f"did you mean {near[0]!r}?" if near else _listed(_known_keys(mistake, model, path))
        return document.problem(path, f"unknown key {str(path[-1])!r}", hint, key=True)
    if kind == "missing":
        return document.problem(path, "required key is missing", None, key=True)
    text = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind not in ("value_error", "assertion_error"):
        plain = f"expected {mistake['ctx']['expected']}" if kind == "literal_error" else EXPECTED.get(kind)
        text = f"{plain or text[:1].lower() + text[1:]}, got {_short(mistake.get('input'))}"
    text, _, hint = text.partition("\nhint: ")
    return document.problem(path, text, hint or None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _listed(keys: list[str]) -> str | None:
    return f"there are: {', '.join(keys)}" if keys else None


def _known_keys(mistake: Any, model: type[Any], path: KeyPath) -> list[str]:
    """Return the keys that the model at the place of *mistake* knows, by walking the annotations."""
    candidates: list[Any] = [model]
    for step in mistake["loc"][:-1]:
        following: list[Any] = []
        for candidate in candidates:
            following += _step_into(candidate, step)
        candidates = following or candidates
    keys: list[str] = []
    for candidate in candidates:
        for name, entry in getattr(candidate, "model_fields", {}).items():
            keys.append(entry.alias or name)
    return list(dict.fromkeys(keys))


def _step_into(candidate: Any, step: str | int) -> list[Any]:
    from typing import get_args

    fields = getattr(candidate, "model_fields", None)
    if fields is not None:
        for name, entry in fields.items():
            if step in (name, entry.alias):
                return _models_in(entry.annotation)
        return []
    return [inner for part in get_args(candidate) for inner in _models_in(part)]


def _models_in(annotation: Any) -> list[Any]:
    from typing import get_args

    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
