"""Every shipped mapping at small odd sizes: cost and simulate accept the same, count the same words, and keep their order."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine
from fusemax.mapping.nest import Mapped
from fusemax.shipped import shipped
from fusemax.simulate.tiles import simulate
from tests.mappings import load_mapping

TOKENS = (1, 2, 3, 5, 7, 13, 29)
SHARED = (
    "ada",
    "amd",
    "ampere",
    "blackwell",
    "gpu",
    "hopper",
    "tpu",
)  #: folders of mappings for several machines
CHIPS = ("a100", "flat", "flatattention", "fsa", "fusemax", "h100")


def mappings(machine: str) -> list[str]:
    """Return the names of the mappings that may be of *machine*: those beside it, and those for several."""
    names = [name for name in shipped("arch") if not name.endswith("/machine")]
    own = [name.removeprefix(f"{machine}/") for name in names if name.startswith(f"{machine}/")]
    return own + [name for name in names if name.split("/")[0] in SHARED]


def small_sizes(mapped: Mapped, random: Random) -> dict[str, int]:
    """Return sizes of a few tokens, windows of a few keys and small batches, for all that *mapped* needs."""
    roots = [root for nest in mapped.nests for root in nest.roots.values() if len(root.digits) > 1]
    cut = {digit.size_name for root in roots for digit in root.digits}
    wanted = [name for name in mapped.cascade.size_symbols() if name not in cut]
    tokens = {"M", "P", "T", "N", *(root.size_name for root in roots)}
    return {
        name: random.choice(TOKENS if name in tokens else (1, 2, 3))
        for name in dict.fromkeys([*wanted, *(root.size_name for root in roots)])
    }


def differences(mapped: Mapped, machine: Machine, sizes: dict[str, int]) -> list[str]:
    """Return where cost and simulate differ; a size that cost refuses has none."""
    try:
        answer = cost(mapped, derive(mapped, machine), sizes)
    except FusemaxError:
        return []
    run = simulate(mapped, machine, sizes)
    counted = {(k.nest, k.level, k.tensor, k.action): v for k, v in answer.table("words").items()}
    moved = {(k.nest, k.level, k.tensor, k.kind): v for k, v in run.words.items()}
    found = [
        f"{key} {sizes}: {counted.get(key, 0)} {moved.get(key, 0)}"
        for key in sorted({*counted, *moved})
        if moved.get(key, 0) != pytest.approx(counted.get(key, 0), rel=1e-9)
    ]
    times = [answer.bound_s, answer.latency_s, run.latency_s]
    fitted = any(not isinstance(nest.schedule, str | list | tuple) for nest in mapped.nests)
    slower = not fitted and any(a > b * (1 + 1e-9) for a, b in pairwise(times))
    return [*found, *([f"bound, schedule, simulate {times} {sizes}"] if slower else [])]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIPS)
def test_small_odd_sizes(name: str) -> None:
    """One to 29 tokens, fewer keys than queries and more: nothing is refused by one alone, no words differ."""
    machine, path = load_machine(name)
    random = Random(name)
    found: list[str] = []
    for mapping in mappings(name):
        try:
            mapped = load_mapping(mapping, machine, path)
        except FusemaxError:  # a cascade file, or one for another machine of this folder
            continue
        found += [f"{mapping} {text}" for text in differences(mapped, machine, small_sizes(mapped, random))]

    assert not found, "\n".join(found)
