"""A kind of study: how it is planned, what tables it makes, and what is drawn from them.

``fusemax check`` plans; ``fusemax run`` plans, makes the tables, draws, and writes the same things for every kind. A new kind
is one entry in :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Points, Short
from fusemax.source import Document
from fusemax.table.column import Column
from fusemax.table.table import Table

#: Told what is done now, how much is done, and of how much.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a study says of itself."""

    title: str
    source: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a study makes.

    Attributes
    ----------
    tables
        By name; they are written as CSV.
    short, said, texts
        Short tables and sentences for the screen and the report, and further files by name.
    parquet
        The tables that are written as Parquet too.
    streamed
        The columns of tables that stand in the folder already and may be too large to be read, by name.
    points
        What the report has to know of a study of points and configurations; None for other kinds.
    took
        How long it took, for the screen alone: the files are the same each time.
    failed
        What makes the command end with an error, after everything is written.
    """

    tables: Mapping[str, Table]
    short: tuple[Short, ...] = ()
    said: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    parquet: tuple[str, ...] = ()
    streamed: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    points: Points | None = None
    took: str = ""
    failed: str = ""


def about(study: Any) -> About:
    """Return what the file of a study says of itself; not all kinds have a source and a text."""
    return About(title=study.title, source=getattr(study, "source", ""), doc=getattr(study, "doc", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of study.

    Attributes
    ----------
    plan
        From the document, and options of the command line, to whatever the next steps need; raises FusemaxError with every
        mistake that running would meet.
    about
        What a plan says of itself.
    files
        The files that a plan was made from, by name.
    tables
        From a plan to its tables; the folder is for those that are streamed.
    specs
        The figures that are drawn from the tables.
    options
        The options of the command line that it takes.
    notes
        What is right in a plan but hardly meant, for ``fusemax check`` to tell.
    """

    plan: Callable[[Document, Mapping[str, Any]], Any]
    tables: Callable[[Any, Path, Progress], Outcome]
    specs: Callable[[Any], Sequence[FigureSpec]]
    options: tuple[str, ...] = ()
    about: Callable[[Any], About] = lambda plan: about(plan.study)
    files: Callable[[Any], Mapping[str, Path]] = lambda plan: plan.files
    notes: Callable[[Any], Sequence[str]] = lambda plan: ()


#: Where each kind lives.
KINDS: Mapping[str, str] = {
    "audit": "fusemax.study.kinds.audit:KIND",
    "sweep": "fusemax.study.kinds.sweep:KIND",
    "taxonomy": "fusemax.study.kinds.taxonomy:KIND",
    "derivations": "fusemax.study.kinds.derivations:KIND",
    "gpu": "fusemax.study.kinds.gpu:KIND",
    "gpu-passes": "fusemax.study.kinds.gpu_passes:KIND",
    "models": "fusemax.study.kinds.models:KIND",
}


def kind_called(name: str, document: Document) -> Kind:
    """Return the kind of study called *name*; raise FusemaxError when *document* names none."""
    if name not in KINDS:
        place = document.place(("kind",))
        raise FusemaxError(f"{place}: unknown kind of study {name!r}; there are: {', '.join(KINDS)}")
    module, attribute = KINDS[name].split(":")
    return getattr(import_module(module), attribute)
