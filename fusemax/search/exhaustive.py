"""The strategy that leaves nothing out: every division into phases, structure, binding, use of lanes and tiling is priced.

For small designs, and to judge the other strategies. The space is that of docs/mapper.md without parts of operations that other
units take (``offload``) of less than a whole. A space of more than :data:`MOST` structures is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.space import Block, Phase
from fusemax.search.facts import Facts
from fusemax.search.phase import Candidate, Search, front_of, phase_of, priced
from fusemax.search.plan import Plan
from fusemax.search.shapes import Skeleton, atoms_of
from fusemax.search.structures import structures_of
from fusemax.search.tiles import Axis, tilings
from fusemax.search.units import Binding, Spatial, Way, options, ways_of, work_of
