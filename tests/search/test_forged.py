"""Certificates of random small designs are accepted; with a field changed and a new seal, only where what they say is so."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping, measure, priced_text
from fusemax.search.certificate import Certificate, certificate, seal_of, verified
from tests.search.designs import cascade_text, machine_text, tiny

#: Records of what was tried, which nobody can compute again: only the seal speaks for them.
RECORDS = (
    "runner_up",
    "space.strategy",
    "space.structures",
    "space.tilings",
    "space.stopped",
    "cascade",
    "machine",
)


def _stated(seed: int, folder: Path) -> Path | None:
    """Write the certificate of the design of *seed*; None where nothing fits."""
    one = tiny(seed)
    cascade, machine, path = folder / "cascade.yaml", folder / "machine.yaml", folder / "c.json"
    cascade.write_text(cascade_text(one.name.split()[0]))
    machine.write_text(one.text)
    objective = ("latency", "energy", "traffic", "edp")[seed % 4]
    try:
        answer = best_mapping(
            load_cascade(str(cascade)),
            load_machine(str(machine))[0],
            one.sizes,
            objective=objective,
            seconds=0.1,
            by_work=True,  # any mapping will do
        )
    except FusemaxError:
        return None
    path.write_text(certificate(answer, str(cascade), str(machine), one.sizes, {}, "joined"))
    return path


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _leaves(inner, (*path, key))
    elif value is not None and not isinstance(value, list):
        yield path


def _changed(chance: random.Random, value: Any) -> Any:
    """Return another value of the same kind: a number a little or much off, a text with one sign or one number changed."""
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 2])
    if isinstance(value, float):
        return value * chance.choice([0.5, 0.999, 1.000001, 2.0]) if value else 1e-6
    numbers = [at for at, sign in enumerate(value) if sign.isdigit()]
    at = chance.choice(numbers) if numbers and chance.random() < 0.7 else chance.randrange(len(value))
    return value[:at] + chance.choice("0123456789mpx") + value[at + 1 :]


def _is_so(data: dict[str, Any]) -> bool:
    """Return whether what a certificate with another mapping says of its price is so, by the cost engine."""
    held = Certificate.model_validate(data)
    cascade, machine = load_cascade(held.cascade), load_machine(held.machine)[0]
    _, cost = priced_text(held.mapping, cascade, machine, held.sizes, held.figures)
    stated = {"latency": held.price.latency_s, "traffic": held.price.traffic_B, "energy": held.price.energy_J}
    return all(measure(cost, name) == pytest.approx(value, rel=1e-8) for name, value in stated.items())


def _tampered(seed: int, path: Path) -> str:
    """Change a random field of the certificate at *path*; return which, where it is accepted and ought not to be."""
    chance, data = random.Random(seed), json.loads(path.read_text())
    leaves = [leaf for leaf in _leaves(data) if leaf != ("seal",)]
    leaf = chance.choice(leaves)
    name = ".".join(map(str, leaf))
    inside: Any = data
    for step in leaf[:-1]:
        inside = inside[step]
    before = inside[leaf[-1]]
    inside[leaf[-1]] = _changed(chance, before)
    if inside[leaf[-1]] == before or name.startswith(RECORDS):
        return ""
    other = path.with_name("tampered.json")
    try:
        data["seal"] = seal_of(Certificate.model_validate(data))
        other.write_text(json.dumps(data))
        verified(other)
    except (FusemaxError, ValueError):
        return ""
    if leaf == ("mapping",) and _is_so(data):
        return ""  # its title, or a name that nothing depends on
    return f"{name}: {before!r} became {inside[leaf[-1]]!r}"


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1000, 2000, 3000, 4000))]
)
def test_forged_certificates_are_refused(first: int, tmp_path: Path) -> None:
    """Accepted as they are; each changed in six fields, one at a time; a machine changed after them is noticed."""
    wanted, made, seed = (8 if first == 0 else 48), 0, first
    while made < wanted:
        seed += 1
        path = _stated(seed, tmp_path)
        if path is None:
            continue
        made += 1
        verified(path)
        for number in range(6):
            assert not _tampered(seed * 10 + number, path), f"seed {seed}"
        machine = tmp_path / "machine.yaml"
        machine.write_text(machine.read_text().replace("clock: 1 GHz", "clock: 1.5 GHz"))
        latency = json.loads(path.read_text())["objective"] in ("latency", "edp")
        if latency:
            with pytest.raises(FusemaxError, match="is computed"):
                verified(path)


def test_a_machine_that_differs_is_told_apart(tmp_path: Path) -> None:
    """The seal is over the certificate: a machine of another size is found by its price or its bound."""
    path = next(one for seed in range(1, 50) if (one := _stated(seed, tmp_path)) is not None)
    (tmp_path / "machine.yaml").write_text(machine_text(random.Random(77), small=True))

    with pytest.raises(FusemaxError):
        verified(path)
