"""What ships with fusemax, with titles, and what fits what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fusemax.shipped import machines, shipped

KINDS = ("machines", "systems", "cascades", "mappings", "studies")
_HEAD = re.compile(r"(title|cascade|kind|mappings|chip):\s*(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a shelf: its name, what it is, and the names that it fits with.

    ``cascade`` and ``machines`` are those of a mapping, ``kind`` that of a study; a system has one machine.
    """

    name: str
    title: str
    path: Path
    cascade: str = ""
    machines: tuple[str, ...] = ()
    kind: str = ""


def entries(kind: str) -> tuple[Entry, ...]:
    """Return what is on the shelf of *kind*, one of :data:`KINDS`, in the order of names.

    >>> [entry.name for entry in entries("mappings") if entry.cascade == "causal/1-pass"]
    []
    >>> next(entry.cascade for entry in entries("mappings") if entry.name == "fusemax/fusemax")
    'attention/1-pass'
    """
    return tuple(_ENTRIES[kind]())


def _machines() -> Iterator[Entry]:
    for name, path in machines().items():
        yield Entry(name=name, title=_heads(path).get("title", ""), path=path)


def _systems() -> Iterator[Entry]:
    for name, path in shipped("arch").items():
        heads, folder = _heads(path), name.rpartition("/")[0]
        if folder == "systems":
            yield Entry(
                name=path.stem, title=heads.get("title", ""), path=path, machines=(heads.get("chip", ""),)
            )


def _cascades() -> Iterator[Entry]:
    for name, path in shipped("einsums").items():
        yield Entry(name=name, title=_heads(path).get("title", ""), path=path)


def _studies() -> Iterator[Entry]:
    for name, path in shipped("studies").items():
        heads = _heads(path)
        if "kind" in heads:
            yield Entry(name=name, title=heads.get("title", ""), path=path, kind=heads["kind"])


def _mappings() -> Iterator[Entry]:
    folders = {name: {name, *_shared(path)} for name, path in machines().items()}
    for name, path in shipped("arch").items():
        heads, folder = _heads(path), name.rpartition("/")[0]
        if "cascade" in heads:
            takers = tuple(machine for machine, found in folders.items() if folder in found)
            yield Entry(
                name=name, title=heads.get("title", ""), path=path, cascade=heads["cascade"], machines=takers
            )


_ENTRIES = {
    "machines": _machines,
    "systems": _systems,
    "cascades": _cascades,
    "mappings": _mappings,
    "studies": _studies,
}


def _shared(path: Path) -> list[str]:
    return [name.strip() for name in _heads(path).get("mappings", "").strip("[]").split(",") if name.strip()]


@lru_cache(maxsize=1024)
def _heads(path: Path) -> Mapping[str, str]:
    """Return the first keys of a shipped file, read without a parser: a list of files has to be quick."""
    found: dict[str, str] = {}
    folded = ""
    for line in path.read_text(encoding="utf-8").split("\n"):
        match = _HEAD.fullmatch(line)
        if match:
            text = re.sub(r"\s+#.*", "", match[2]).strip()
            folded = match[1] if text in (">-", ">", "|") else ""
            found[match[1]] = "" if folded else text.strip("'\"")
        elif folded and line.startswith(" "):
            found[folded] = f"{found[folded]} {line.strip()}".strip()
        else:
            folded = ""
    return found
