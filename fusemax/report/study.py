"""What a report has to know of a study besides its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fusemax.plot.spec import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A short table for the screen and the report: its cells are texts."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1  #: how many of the first columns are words rather than numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """What a study of configurations at points has to tell.

    ``parts`` are those that the headline and the story tell of; none stands for all whose configurations
    differ in latency. ``baselines`` are configurations that others are measured against; none stands for
    the first. ``sums`` names the parts that another part adds up. ``configurations`` tells what each configuration is,
    ``labels`` are the columns that tell points of equal length apart (by default those that neither name a row nor
    measure it).
    """

    parts: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What the tables do not say about a study.

    ``inputs`` gives the content hash of each file that the study read, ``said`` sentences, ``short`` tables, ``pictures``
    those in the folder, in order; ``points`` is None for a study that has no configurations at points.
    """

    title: str
    command: str
    summary: str = ""
    source: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    short: tuple[Short, ...] = ()
    pictures: tuple[Picture, ...] = ()
    points: Points | None = None
