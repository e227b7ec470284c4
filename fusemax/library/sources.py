"""Where the figures of a machine are from: the line of its file, and the comment that stands with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusemax.errors import FusemaxError, Place
from fusemax.machine import Machine, figure_paths
from fusemax.shipped import ROOT
from fusemax.source import Document, KeyPath, read_yaml

#: Energies that are those of another action where the file gives none.
AS: Mapping[str, str] = {"fill": "write", "drain": "read"}
_COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure stands, such as ``arch/fusemax/machine.yaml:11``, and what is said of it there."""

    place: str
    comment: str

    def __str__(self) -> str:
        return f"{self.place}: {self.comment}" if self.comment else self.place


def sources_of(machine: Machine) -> Mapping[str, Source]:
    """Return the source of every figure of *machine* by its full name; nothing where no file is left to read.

    >>> from fusemax.machine import load_machine
    >>> str(sources_of(load_machine("fusemax")[0])["clock"])
    'arch/fusemax/machine.yaml:8: paper, section VI: the clock of a TPU'
    """
    if not machine.file or machine.file.startswith("<"):
        return {}
    path = Path(machine.file)
    try:
        document = read_yaml(path)
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FusemaxError, OSError):
        return {}
    shown = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    found: dict[str, Source] = {}
    for name, keys in figure_paths(machine).items():
        place, as_other = _place(document, keys)
        if place is None:
            found[name] = Source(shown, "not given there")
        else:
            comment = _comment(lines, place.line - 1)
            found[name] = Source(
                f"{shown}:{place.line}", ", ".join(part for part in (as_other, comment) if part)
            )
    return found


#: How well a figure is known, in the words of CONTRIBUTING.md.
GRADES = ("published", "measured", "derived", "calibrated", "recalled", "assumed")


def graded_figures(machine: Machine) -> Mapping[str, int]:
    """Return how many figures of *machine* are of each grade, by the first such word in their comments; others are not told.

    >>> from fusemax.machine import load_machine
    >>> list(graded_figures(load_machine("h100")[0]))
    ['published', 'measured', 'derived', 'calibrated', 'recalled', 'assumed']
    """
    found = dict.fromkeys(GRADES, 0)
    for source in sources_of(machine).values():
        words = re.findall(rf"\b(?:{'|'.join(GRADES)})\b", source.comment)
        if words:
            found[words[0]] += 1
    return {grade: count for grade, count in found.items() if count}


def _place(document: Document, keys: KeyPath) -> tuple[Place | None, str]:
    """Return where the figure under *keys* stands, or the one that it is taken from, with words for that."""
    *group, last = keys
    other = AS.get(str(last), str(last)) if "energy" in group else str(last)
    for path, words in ((keys, ""), ((*group, other), f"as {other}")):
        if path in document.values:
            return document.values[path], words
    parents = (document.values.get(keys[:end]) for end in range(len(keys) - 1, 1, -1))
    return next((parent for parent in parents if parent is not None), None), ""


def _comment(lines: Sequence[str], number: int) -> str:
    """Return the comment at the end of a line; where there is none, that of the lines just above it."""
    match = _COMMENT.search(lines[number])
    if match and not lines[number].lstrip().startswith("#"):
        return match[1].strip()
    above: list[str] = []
    while number > 0 and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        above.insert(0, lines[number].lstrip().lstrip("#").strip())
    return " ".join(above)
