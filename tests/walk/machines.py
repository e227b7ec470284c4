"""Random machines: one to three memory levels, an array and a row of lanes that both do everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

UNITS = {"a": ("rows", "columns"), "v": ("lanes",)}


def draw_machine(
    random: Random, operations: Sequence[str], cores: bool, groups: bool = False
) -> dict[str, Any]:
    """Return the data of a machine whose units do all of *operations*; pairs such as ``mac`` are left out now and then."""
    levels: dict[str, Any] = {"DRAM": {"bandwidth": f"{random.choice([1, 3, 16, 64])} GB/s"}}
    for name in ("L2", "L1")[: random.randint(0, 2)]:
        levels[name] = _level(random)
    units = {unit: _unit(random, unit, operations) for unit in UNITS}
    data = {"title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": levels, "units": units}
    if cores and random.randint(0, 9) < 7:
        data["replicas"] = random.randint(1, 4)
        for name in list(levels)[1:]:
            if random.randint(0, 1):
                levels[name]["per_core"] = True
    if groups:
        _share(random, data)
    return data


def _share(random: Random, data: dict[str, Any]) -> None:
    """Let groups of cores share a level: what is further in each core has for itself."""
    levels, group = data["levels"], random.randint(1, 4)
    if len(levels) == 1:
        levels["L2"] = _level(random)
    data["replicas"] = group * random.randint(1, 3)
    shared = random.choice(list(levels)[1:])
    for number, name in enumerate(levels):
        levels[name].pop("per_core", None)
        if name == shared:
            levels[name]["shared_by"] = group
        elif number > list(levels).index(shared):
            levels[name]["per_core"] = True


def _level(random: Random) -> dict[str, Any]:
    level: dict[str, Any] = {"size": "1 GiB"}
    kind = random.choice(["free", "ports", "bandwidth"])
    if kind == "ports":
        level |= {"line": "8 B", "ports": random.randint(1, 4)}
    if kind == "bandwidth":
        level |= {"bandwidth": f"{random.choice([2, 8, 40])} GB/s"}
    return level


def _unit(random: Random, unit: str, operations: Sequence[str]) -> dict[str, Any]:
    done = [name for name in operations if name not in ("mac", "sub_exp") or random.randint(0, 9) < 7]
    data: dict[str, Any] = {
        "shape": {dimension: random.randint(1, 4) for dimension in UNITS[unit]},
        "operations": {name: random.randint(1, 3) for name in done},
        "registers": {"depth": 1 << 20},
    }
    if random.randint(0, 9) < 3:
        data |= {"fill": random.randint(0, 4), "drain": random.randint(0, 4)}
    return data
