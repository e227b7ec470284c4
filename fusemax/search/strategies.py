"""Strategies by name: from a cascade on a machine to whole mappings, better and better.

All have one signature and yield a plan whenever they have a better one; who asks may stop listening at any time.
"""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.errors import FusemaxError
from fusemax.search.exhaustive import exhaustive
from fusemax.search.join import apart, joined
from fusemax.search.plan import Strategy

STRATEGIES: Mapping[str, Strategy] = {"joined": joined, "apart": apart, "exhaustive": exhaustive}


def strategy(name: str) -> Strategy:
    """Return the strategy called *name*; raise FusemaxError with the known names."""
    if name not in STRATEGIES:
        raise FusemaxError(f"no strategy {name!r}; there are: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
