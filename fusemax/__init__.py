"""Attention algorithms as cascades of extended Einsums, on machines and mappings written in YAML.

From these three texts fusemax derives the passes that an algorithm must make, and the cycles, traffic, energy
and buffers that it costs. Public names are imported on first use, so that ``import fusemax`` itself is quick;
``__init__.pyi`` tells editors their types.

>>> import fusemax
>>> fusemax.FusemaxError.__module__
'fusemax.errors'
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

#: Where each public name lives.
_HOMES = {
    "analyse": "fusemax.analysis.passes",
    "CostAnswer": "fusemax.api.answers",
    "compare": "fusemax.api.verbs",
    "ComparedAnswer": "fusemax.api.compared",
    "cost_of": "fusemax.cost.point",
    "Design": "fusemax.api.design",
    "Drawing": "fusemax.api.table",
    "evaluate": "fusemax.api.verbs",
    "FusemaxError": "fusemax.errors",
    "load_cascade": "fusemax.api.verbs",
    "load_machine": "fusemax.api.verbs",
    "map": "fusemax.api.verbs",
    "MapAnswer": "fusemax.api.verbs",
    "passes": "fusemax.api.verbs",
    "PassesAnswer": "fusemax.api.answers",
    "Place": "fusemax.errors",
    "Problem": "fusemax.errors",
    "ProblemsError": "fusemax.errors",
    "reduce": "fusemax.api.verbs",
    "ReducedAnswer": "fusemax.api.answers",
    "Results": "fusemax.api.verbs",
    "run": "fusemax.api.verbs",
    "SimulationAnswer": "fusemax.api.answers",
    "sweep": "fusemax.api.verbs",
    "sweep_study": "fusemax.study.api",
    "Table": "fusemax.api.table",
}

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
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
