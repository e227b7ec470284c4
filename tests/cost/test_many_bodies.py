"""Many Einsums in bodies of their own: three times as many take about three times the work, and cost what the chain costs."""

from __future__ import annotations

import cProfile
import pstats

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.library.load import Library


def chain(einsums: int) -> Cost:
    """Return the cost of doubling 4096 numbers so many times, each time in a body of its own, on 256 lanes."""
    names = [f"Y{n}" for n in range(einsums)]
    rows = [f"{name}[m] = {source}[m]*2" for name, source in zip(names, ["X", *names], strict=False)]
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["M"]}, "outputs": names[-1:], "einsums": "\n".join(rows),
    }  # fmt: skip
    mapping = {
        "title": "t", "source": "s", "cascade": "chain", "tiles": {"M0": "1d.lanes"}, "schedule": "serial",
        "bind": {"1d": names},
        "nests": [
            {
                "for": ["m1"], "keep": {"L3": names[:-1]}, "spatial": {"1d": {"m0": "lanes"}},
                "do": [{"do": [name]} for name in names],
            }
        ],
    }  # fmt: skip
    design = Library().design("flat", mapping, cascade)
    return cost(design.mapped, derive(design.mapped, design.machine), {"M": 4096})


def test_every_body_counts():
    """The words of the input and the output alone leave the chip; each Einsum takes its cycles."""
    few, many = chain(5), chain(20)

    assert few.traffic_B == many.traffic_B
    assert sum(many.table("cycles").values()) == 4 * sum(few.table("cycles").values())


def test_work_grows_with_the_number_of_einsums():
    """Calls of functions from a text to the first number: 2.9 times as many for three times the Einsums; 4.9 once."""
    chain(10)
    calls = []
    for einsums in (60, 180):
        profile = cProfile.Profile()
        profile.runcall(chain, einsums)
        calls.append(pstats.Stats(profile).total_calls)
    assert calls[1] < 3.3 * calls[0]
