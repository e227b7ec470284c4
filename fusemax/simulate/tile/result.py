"""What a run at the tile level gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusemax.mapping.modulo import Kernel


@dataclass(frozen=True, slots=True)
class WordsKey:
    """Which words: of which nest and tensor, at which level, of which kind (read, write, fill, drain)."""

    nest: str
    level: str
    tensor: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """The most that a buffer held: ``tiles`` of them alive at once."""

    nest: str
    level: str
    tensor: str
    high_water_B: float
    tiles: int
    buffers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Cycles for which ``unit`` stood still because its next task, of ``waiting``, had to wait for ``on``."""

    nest: str
    unit: str
    waiting: str
    on: str
    cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One task: from ``start`` to ``end``, in cycles of its phase's own clock plus the phase's start."""

    name: str
    unit: str
    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Utilization over time: for each interval its start and end in cycles, and the busy part of each unit and channel."""

    start: np.ndarray
    end: np.ndarray
    busy: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One nest, run to its end."""

    nest: str
    cycles: int
    skipped_cycles: int
    epochs: int
    busy_cycles: Mapping[str, int]
    kernel: Kernel | None
    events: tuple[Event, ...]
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What happened. ``cycles`` are those of all phases one after another; ``latency_s`` adds the launches.

    ``utilization`` is busy lane-cycles over all lane-cycles of the machine; ``words`` are those of all cores.
    """

    cycles: int
    latency_s: float
    clock_Hz: float
    utilization: Mapping[str, float]
    words: Mapping[WordsKey, float]
    buffers: tuple[Buffer, ...]
    waits: tuple[Wait, ...]
    phases: tuple[Phase, ...]
