"""Random machines: one to three memory levels, an array and a row of lanes that both do everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

UNITS = {"a": ("rows", "columns"), "v": ("lanes",)}


def draw_machine(
    random: Random, operations: Sequence[str], cores: bool, groups: bool = False, keys: bool = False
) -> dict[str, Any]:
    """Return the data of a machine whose units do all of *operations*; pairs such as ``mac`` are left out now and then.

    With *keys* it has some of the special ones: bandwidths by way, latencies, clocks and memories of units, lanes under two
    names, cycles by width, dimensions that do not add up, wide sums.
    """
    levels: dict[str, Any] = {"DRAM": {"bandwidth": f"{random.choice([1, 3, 16, 64])} GB/s"}}
    for name in ("L2", "L1")[: random.randint(0, 2)]:
        levels[name] = _level(random)
    units = {unit: _unit(random, unit, operations) for unit in UNITS}
    data = {"title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": levels, "units": units}
    if cores and random.randint(0, 9) < 7:
        data["replicas"] = random.randint(1, 4)
        shared = random.randint(1, len(levels))  # what all cores share stands outside of what each has
        for name in list(levels)[shared:]:
            levels[name]["per_core"] = True
    if groups:
        _share(random, data)
    if keys:
        _add_keys(random, data)
    return data


def _add_keys(random: Random, data: dict[str, Any]) -> None:
    for level in data["levels"].values():
        if "bandwidth" in level and random.randint(0, 1):
            ways = {way: f"{random.choice([1, 5, 16])} GB/s" for way in ("read", "write")}
            level["bandwidth"] = random.choice([ways, {"read": ways["read"]}, {"write": ways["write"]}])
        if random.randint(0, 3) == 0:
            level["latency"] = f"{random.randint(1, 9)} ns"
    if random.randint(0, 3) == 0:
        data["launch"] = f"{random.randint(1, 9)} ns"
    for unit in data["units"].values():
        if random.randint(0, 3) == 0:
            unit["sums"] = random.sample(list(unit["shape"]), random.randint(0, len(unit["shape"]) - 1))
        if random.randint(0, 3) == 0:
            unit["accumulator"] = random.choice(["2 B", "4 B", "8 B"])
        if random.randint(0, 2) == 0:
            unit["clock"] = random.choice(["2 GHz", "500 MHz", "3 GHz"])
        for name, cycles in list(unit["operations"].items()):
            if random.randint(0, 3) == 0:
                unit["operations"][name] = {"8 bit": cycles, "16 bit": 2 * cycles, "32 bit": 5 * cycles}
    array, lanes = data["units"].values()
    if random.randint(0, 3) == 0:
        lanes["shares"] = "a"
        for key in ("registers", "clock"):
            lanes.pop(key, None)
    if random.randint(0, 1):
        array["memories"] = {"near": {"depth": 1 << 20}}


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
