"""The types of the public names: see __init__.py."""

from fusemax.analysis.passes import analyse as analyse
from fusemax.api.answers import CostAnswer as CostAnswer
from fusemax.api.answers import PassesAnswer as PassesAnswer
from fusemax.api.answers import ReducedAnswer as ReducedAnswer
from fusemax.api.answers import SimulationAnswer as SimulationAnswer
from fusemax.api.compared import ComparedAnswer as ComparedAnswer
from fusemax.api.design import Design as Design
from fusemax.api.table import Drawing as Drawing
from fusemax.api.table import Table as Table
from fusemax.api.verbs import MapAnswer as MapAnswer
from fusemax.api.verbs import Results as Results
from fusemax.api.verbs import compare as compare
from fusemax.api.verbs import evaluate as evaluate
from fusemax.api.verbs import load_cascade as load_cascade
from fusemax.api.verbs import load_machine as load_machine
from fusemax.api.verbs import map as map
from fusemax.api.verbs import passes as passes
from fusemax.api.verbs import reduce as reduce
from fusemax.api.verbs import run as run
from fusemax.api.verbs import sweep as sweep
from fusemax.cost.point import cost_of as cost_of
from fusemax.errors import FusemaxError as FusemaxError
from fusemax.errors import Place as Place
from fusemax.errors import Problem as Problem
from fusemax.errors import ProblemsError as ProblemsError
from fusemax.study.api import sweep_study as sweep_study

__version__: str
__all__ = [
    "ComparedAnswer",
    "CostAnswer",
    "Design",
    "Drawing",
    "FusemaxError",
    "MapAnswer",
    "PassesAnswer",
    "Place",
    "Problem",
    "ProblemsError",
    "ReducedAnswer",
    "Results",
    "SimulationAnswer",
    "Table",
    "__version__",
    "analyse",
    "compare",
    "cost_of",
    "evaluate",
    "load_cascade",
    "load_machine",
    "map",
    "passes",
    "reduce",
    "run",
    "sweep",
    "sweep_study",
]
