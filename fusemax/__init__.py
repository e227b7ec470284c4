"""Attention algorithms as cascades of extended Einsums, on machines and mappings written in YAML.

From these three texts fusemax derives the passes that an algorithm must make, and the cycles, traffic, energy
and buffers that it costs. Public names are imported on first use, so that ``import fusemax`` itself is quick.

>>> import fusemax
>>> fusemax.FusemaxError.__module__
'fusemax.errors'
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Where each public name lives.
_HOMES = {
    "analyse": "fusemax.analysis.passes",
    "cost_of": "fusemax.cost.point",
    "evaluate": "fusemax.cascade.evaluate",
    "load_cascade": "fusemax.cascade.build",
    "load_machine": "fusemax.machine",
    "load_mapping": "fusemax.mapping.build",
    "FusemaxError": "fusemax.errors",
    "Place": "fusemax.errors",
    "Problem": "fusemax.errors",
    "ProblemsError": "fusemax.errors",
    "sweep": "fusemax.study.api",
    "sweep_study": "fusemax.study.api",
}

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Return the public object called *name*, importing its module now.

    Raises
    ------
    AttributeError
        When fusemax offers no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'fusemax' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
