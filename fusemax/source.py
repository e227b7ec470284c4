"""YAML text to plain data with a place for every key and value.

Scalars follow YAML 1.2: only ``true``/``false``/``null`` and plain decimal numbers are special, so ``NO`` stays text and
``1e-12`` is a number. Equal keys in one mapping are a mistake, not a silent choice; so are tags (``!!str``), which would
change what a value is, and numbers that begin with a zero, which YAML 1.1 reads as octal.

What a file may ask of the reader has limits (:data:`LIMITS`), so that no file, however it was made, takes more than a
moment or more than a little memory.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fusemax.errors import FusemaxError, Place, Problem, ProblemsError, raise_if_any

KeyPath = tuple[str | int, ...]
INTEGER = re.compile(r"[-+]?\d+$")
DECIMAL = re.compile(r"[-+]?(\d+\.\d*|\.?\d+)([eE][-+]?\d+)?$")
#: Integers up to this one are exact in double precision, and no other one is rounded to them: 2^53 + 1 becomes 2^53.
LARGEST_EXACT = 2**53 - 1
#: What libyaml takes inside of brackets and PyYAML's own reader does not.
DISPUTED = frozenset("\t?")
TAG = re.compile(r"(?:&\S+\s+)?(![^\s,\]}]*)")
CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a YAML file may hold: far above what people write, far below what hurts."""

    size_B: int = 1 << 20
    depth: int = 40
    values: int = 100_000  #: after aliases are unfolded
    key_length: int = 200


LIMITS = Limits()


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
    """A YAML file as plain data, with the place of every key and value by path.

    Of data from which something was left out, ``left_out`` tells the paths of that in the file, ``lost`` its names, and
    ``kept`` by the path of a list the numbers that its entries have in the file.
    """

    file: str
    data: Any
    values: Mapping[KeyPath, Place]
    keys: Mapping[KeyPath, Place]
    texts: Mapping[KeyPath, Text]
    kept: Mapping[KeyPath, tuple[int, ...]] = field(default_factory=dict)
    left_out: frozenset[KeyPath] = frozenset()
    lost: frozenset[str] = frozenset()

    def original(self, path: KeyPath) -> KeyPath:
        """Return the path in the file of what is at *path* in the data."""
        found: KeyPath = ()
        for step in path if self.kept else ():
            kept = self.kept.get(found)
            inside = kept is not None and isinstance(step, int) and step < len(kept)
            found = (*found, kept[step] if kept is not None and inside else step)  # type: ignore[index]
        return found or path

    def place(self, path: KeyPath, key: bool = False) -> Place:
        """Return where the value (or the key) at *path* stands; the nearest enclosing one if it is missing."""
        path = self.original(path)
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
        dotted = ".".join(str(part) for part in self.original(path))
        return Problem(self.place(path, key), f"{dotted}: {text}" if dotted else text, hint)


def read_yaml(path: Path) -> Document:
    """Return the document in the file at *path*.

    Raises
    ------
    FusemaxError
        If the file cannot be read, is not YAML, or holds a key twice.
    """
    try:
        content = _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FusemaxError(f"{path}: not a text file in UTF-8 ({error.reason})") from None
    except ValueError as error:
        raise FusemaxError(f"{str(path)!r} is no name of a file ({error})") from None
    except OSError as error:
        raise FusemaxError(f"{shortened(str(path), 300)}: cannot be read ({error.strerror})") from None
    return document_of(content, str(path))


def _content(path: Path) -> bytes:
    """Return the bytes of a plain file of reasonable size; a pipe or a device might never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FusemaxError(f"{path}: cannot be read (a pipe or a device, not a file)")
    # what only looks like a file, or became a pipe meanwhile, has nothing to wait for
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        content = file.read(LIMITS.size_B + 1) or b""
    if len(content) > LIMITS.size_B:
        raise FusemaxError(
            f"{path}: larger than {LIMITS.size_B >> 20} MiB, which no file of fusemax needs to be"
        )
    return content


def document_of(content: str, file: str = "<text>") -> Document:
    """Return the document that *content* holds; *file* is the name used in messages."""
    import yaml

    content = content.replace("\r\n", "\n")
    try:
        node = _composed(content)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise ProblemsError([Problem(place, f"not YAML: {error.problem or error.context}")]) from None
    except yaml.reader.ReaderError as error:
        before = content[: error.position]
        place = Place(file, before.count("\n") + 1, error.position - before.rfind("\n"))
        text = f"not YAML: the character U+{ord(content[error.position]):04X} may not stand in a text file"
        raise ProblemsError([Problem(place, text)]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise FusemaxError(f"{file}: not YAML: {error}") from None
    if node is None:
        raise ProblemsError([Problem(Place(file, 1, 1), "the file is empty")])
    reader = _Reader(file, content.split("\n"))
    data = reader.read(node, ())
    raise_if_any(reader.problems)
    return Document(file, data, reader.values, reader.keys, reader.texts)


def _composed(content: str) -> Any:
    """Return the tree of YAML nodes of *content*; aliases stand there as the nodes that they name.

    libyaml reads it where PyYAML has it, as its wheels do: in a ninth of the time. What libyaml refuses, and
    where characters stand on which the two do not agree, PyYAML's own reader reads: so the same is said on every machine.
    """
    import yaml

    class Plain(_HeldToDepth, yaml.SafeLoader):
        """PyYAML's own reader."""

    if yaml.__with_libyaml__ and not DISPUTED.intersection(content):
        with suppress(yaml.YAMLError, UnicodeError):
            return _by_libyaml(content)
    return Plain(content).get_single_node()


def _by_libyaml(content: str) -> Any:
    from yaml import CSafeLoader
    from yaml.composer import Composer

    class Quick(_HeldToDepth, Composer, CSafeLoader):
        """libyaml's events, made into nodes by PyYAML."""

        def __init__(self) -> None:
            CSafeLoader.__init__(self, content)
            Composer.__init__(self)

    return Quick().get_single_node()


class _HeldToDepth:
    """What a reader of YAML, which calls itself for each level, adds to be held to a depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        import yaml

        reader: Any = self
        self.depth += 1
        if self.depth > LIMITS.depth:
            text = f"lists and mappings lie more than {LIMITS.depth} deep in each other"
            raise yaml.MarkedYAMLError(problem=text, problem_mark=reader.peek_event().start_mark)
        node = cast("Any", super()).compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Turns YAML nodes into data and collects places on the way."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file, self.lines = file, lines
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.texts: dict[KeyPath, Text] = {}
        self.problems: list[Problem] = []
        self._open: list[int] = []

    def read(self, node: Any, path: KeyPath) -> Any:
        import yaml

        self._count(node)
        self._refuse_tag(node)
        self.values[path] = self._place(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        with self._inside(node) as again:
            if again:
                return None
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]

    def _count(self, node: Any) -> None:
        """Stop when aliases of aliases unfold to more values than anybody can have meant."""
        if len(self.values) >= LIMITS.values:
            text = f"more than {LIMITS.values:,} values, aliases unfolded"
            raise ProblemsError([*self.problems, Problem(self._place(node), text)])

    def _refuse_tag(self, node: Any) -> None:
        mark = node.start_mark
        tag = TAG.match(self.lines[mark.line], mark.column) if mark.line < len(self.lines) else None
        if tag is not None:
            self.problems.append(
                Problem(self._place(node), f"a tag has no meaning here: {shortened(tag[1])}", "leave it out")
            )

    def _refuse_half(self, node: Any) -> None:
        """Note a half of a pair of UTF-16, which an escape may name and no file can hold."""
        half = None if node.value.isascii() else re.search("[\ud800-\udfff]", node.value)
        if half:
            text = f"U+{ord(half[0]):04X} is half a character: no file can hold it"
            self.problems.append(Problem(self._place(node), text))

    @contextmanager
    def _inside(self, node: Any) -> Iterator[bool]:
        """Hold that *node* is being read; give True, and a problem, when it stands inside itself."""
        again = id(node) in self._open
        if again:
            text = "an alias stands inside what it names, so that it would never end"
            self.problems.append(Problem(self._place(node), text, "write out what is meant"))
        self._open.append(id(node))
        yield again
        self._open.pop()

    def _mapping(self, node: Any, path: KeyPath) -> dict[str | int, Any]:
        data: dict[str | int, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node.value, str):
                self.problems.append(Problem(self._place(key_node), "a key is text, not a list or a mapping"))
                continue
            self._refuse_tag(key_node)
            self._refuse_half(key_node)
            key = str(key_node.value)
            here = (*path, key)
            if len(key) > LIMITS.key_length:
                text = f"a key of {len(key)} characters; {LIMITS.key_length} are the most"
                self.problems.append(Problem(self._place(key_node), text))
                continue
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
        with self._inside(node) as again:
            for key, value in {} if again else self._mapping(node, path).items():
                data.setdefault(key, value)

    def _scalar(self, node: Any, path: KeyPath) -> Any:
        self._refuse_half(node)
        self.texts[path] = self._text(node)
        value = str(node.value)
        if node.style:  # quoted, or a block
            return value
        if value in CONSTANTS:
            return CONSTANTS[value]
        if INTEGER.match(value) or DECIMAL.match(value):
            number, fault = number_of(value)
            if fault:
                self.problems.append(Problem(self._place(node), fault))
            return number
        return value

    def _text(self, node: Any) -> Text:
        line, column = node.start_mark.line, node.start_mark.column
        if node.style in ("|", ">"):
            line += 1
            while line < len(self.lines) and not self.lines[line].strip():
                line += 1
            body = self.lines[line] if line < len(self.lines) else ""
            return Text(str(node.value), self.file, line + 1, len(body) - len(body.lstrip()) + 1)
        return Text(str(node.value), self.file, line + 1, column + 1 + bool(node.style))

    def _place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def number_of(text: str) -> tuple[int | float, str]:
    """Return the number that *text* is, and what is wrong with it: nothing, a zero before it, or that a double cannot hold it.

    >>> number_of("4096"), number_of("1e-12")
    ((4096, ''), (1e-12, ''))
    >>> number_of("9007199254740993")[1]
    '9007199254740993 is no number of double precision; the nearest is 9007199254740992'
    """
    value = float(text)
    if re.match(r"[-+]?0[0-9]", text):
        return value, f"{shortened(text)} begins with a zero, as octal numbers do; leave it out"
    if not math.isfinite(value):
        return 0.0, f"{shortened(text)} is too large for a number of double precision"
    if abs(value) < sys.float_info.min and re.search(r"[1-9]", re.split("[eE]", text)[0]):
        return 0.0, f"{shortened(text)} is too small for a number of double precision"
    if not INTEGER.match(text):
        return value, ""
    if abs(value) < LARGEST_EXACT or (len(text) < 400 and int(value) == int(text)):
        return int(value), ""
    return int(value), f"{shortened(text)} is no number of double precision; the nearest is {value:.0f}"


def shortened(text: str, length: int = 40) -> str:
    """Return *text*, its middle left out where it is long."""
    return text if len(text) <= length else f"{text[: length // 2]}...{text[-length // 4 :]}"
