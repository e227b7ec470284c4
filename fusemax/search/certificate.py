"""Certificates: what a search claims, written down so that it can be checked without the search.

A certificate holds the mapping, its price, the weights of the units and the words that prove the bound, and what was searched.
:func:`verified` computes all of it again from the cascade and the machine: the price by the cost engine, the bound from the
weights (any weights prove one), the words, and the space. docs/mapper.md has the proofs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field

from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search.answer import OBJECTIVES, Answer, measure, priced_text
from fusemax.search.bound import proved_by
from fusemax.search.facts import Facts, facts_of
from fusemax.search.phase import NEAR
from fusemax.search.shapes import skeletons
from fusemax.search.strategies import STRATEGIES
from fusemax.search.structures import atoms_of

KIND = "fusemax certificate"
CLOSE = 1e-9  #: the part by which a number may differ from the one computed again


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Number = Annotated[float, Field(allow_inf_nan=False)]


class Price(_Part):
    """What the mapping costs; no energy where the machine does not give it."""

    latency_s: Number
    traffic_B: Number
    energy_J: Number | None


class Proof(_Part):
    """The bound and what proves it: weights of the units, words of each tensor that must cross the outermost level."""

    value: Number
    weights: dict[str, Number]
    units_s: Number
    words: dict[str, Number]
    least_words: Number
    traffic_B: Number
    memory_s: Number
    launch_s: Number


class Space(_Part):
    """What was searched: Einsums, groups that stay in one phase, ways to divide them into phases, skeletons of one phase
    for all, and how many structures and tilings were priced under which strategy."""

    einsums: int
    groups: int
    divisions: int
    skeletons: int
    strategy: str
    structures: int
    tilings: int
    stopped: str


class Certificate(_Part):
    """A claim: this mapping costs so much, and no mapping costs less than the bound."""

    kind: str
    cascade: str
    machine: str
    sizes: dict[str, int]
    figures: dict[str, Number]
    absorb: list[str]
    objective: str
    mapping: str
    price: Price
    proof: Proof
    covered: Number
    claim: str
    runner_up: Price | None
    space: Space
    seal: str = ""


def certificate(
    answer: Answer,
    cascade: str,
    machine: str,
    sizes: Mapping[str, int],
    figures: Mapping[str, float],
    strategy: str,
) -> str:
    """Return the certificate of *answer* as JSON; *cascade* and *machine* are names or paths, as the user gave them."""
    bound = answer.bound
    other = answer.runner_up
    held = Certificate(
        kind=KIND, cascade=cascade, machine=machine, sizes=dict(sizes), figures=dict(figures),
        absorb=list(answer.facts.absorb), objective=answer.objective, mapping=answer.text,
        price=_price(answer.cost.latency_s, answer.cost.traffic_B, answer.cost.energy_J),
        proof=Proof(
            value=bound.of(answer.objective), weights=dict(bound.prices), units_s=bound.units_s,
            words=dict(bound.words), least_words=bound.least_words, traffic_B=bound.traffic_B,
            memory_s=bound.memory_s, launch_s=bound.launch_s,
        ),
        covered=answer.gap,
        claim=claim_of(answer.objective, answer.gap),
        runner_up=None if other is None else _price(other.latency_s, other.traffic_B, other.energy_J),
        space=_space(answer.facts, strategy, answer.structures, answer.tilings, answer.stopped),
    )  # fmt: skip
    return json.dumps(held.model_dump() | {"seal": seal_of(held)}, indent=2) + "\n"


def seal_of(held: Certificate) -> str:
    """Return a hash of everything in a certificate but its seal: it tells a change of what cannot be computed again, too."""
    content = json.dumps(held.model_dump(exclude={"seal"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def claim_of(objective: str, covered: float) -> str:
    """Return the claim in words.

    >>> claim_of("latency", 0.998)
    'the latency is within 0.201% of a bound that no mapping is below'
    """
    above = (
        math.ceil((1 / covered - 1) * 1e5) / 1e5 if covered else math.inf
    )  # rounded up: the claim stays true
    return f"the {objective} is within {above:.3%} of a bound that no mapping is below"


def _price(latency: float, traffic: float, energy: float) -> Price:
    return Price(latency_s=latency, traffic_B=traffic, energy_J=energy if math.isfinite(energy) else None)


def _space(facts: Facts, strategy: str, structures: int, tilings: int, stopped: str) -> Space:
    groups = len(atoms_of(facts))
    return Space(
        einsums=len(facts.names), groups=groups, divisions=2 ** (groups - 1),
        skeletons=sum(1 for _ in skeletons(facts, facts.names)), strategy=strategy, structures=structures,
        tilings=tilings, stopped=stopped,
    )  # fmt: skip


# ------------------------------------------------------------------------------------ checked


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was computed again and found right."""

    claim: str
    price: float
    bound: float


def read_certificate(path: Path) -> Certificate:
    """Return the certificate in a file.

    Raises
    ------
    FusemaxError
        When it is no JSON, or a part of it is missing, unknown or of another type: all of them.
    """
    from pydantic import ValidationError

    try:
        return Certificate.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            rows = [f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise FusemaxError("\n".join(rows)) from None
        raise FusemaxError(f"{path}: no certificate: {error}") from None


def verified(path: Path) -> Verdict:
    """Check the certificate in a file from its cascade and machine alone, without a search.

    Raises
    ------
    FusemaxError
        With everything in it that is not so.
    """
    held = read_certificate(path)
    mistakes = list(_form(held))
    if not mistakes:
        cascade = load_cascade(held.cascade)
        machine, _ = load_machine(held.machine)
        facts = facts_of(cascade, machine, held.sizes, held.figures, held.absorb)
        mistakes += _proof(held, facts)
        mapped, cost = priced_text(held.mapping, cascade, machine, held.sizes, held.figures)
        mistakes += _differs("price", held.price, _price(cost.latency_s, cost.traffic_B, cost.energy_J))
        best = measure(cost, held.objective)
        mistakes += _claims(held, best)
        again = _space(
            facts, held.space.strategy, held.space.structures, held.space.tilings, held.space.stopped
        )
        mistakes += _differs("space", held.space, again)
        if [einsum.name for einsum in mapped.cascade.computed] != list(facts.names):
            mistakes.append("absorb: the mapping absorbs other Einsums than the certificate says")
        if mapped.words or mapped.spill:
            mistakes.append("mapping: words and spill lie outside the space that the bound is for")
        if held.seal != seal_of(held):
            mistakes.append("seal: something in it was changed after it was written")
        if not mistakes:
            return Verdict(held.claim, best, held.proof.value)
    raise FusemaxError("\n".join(f"{path}: {mistake}" for mistake in mistakes))


def _form(held: Certificate) -> list[str]:
    mistakes = [] if held.kind == KIND else [f"kind: expected {KIND!r}, got {held.kind!r}"]
    if held.objective not in OBJECTIVES:
        mistakes.append(f"objective: {held.objective!r} is none of {', '.join(OBJECTIVES)}")
    if held.space.strategy not in STRATEGIES:
        mistakes.append(f"space.strategy: {held.space.strategy!r} is none of {', '.join(STRATEGIES)}")
    if held.space.structures < 1 or held.space.tilings < held.space.structures:
        mistakes.append("space: fewer tilings than structures, or no structure, were priced")
    if held.space.stopped == "bound" and held.covered < NEAR:
        mistakes.append(
            f"space.stopped: a search ends at its bound from {NEAR:g}, this one covers {held.covered:g}"
        )
    return mistakes


def _proof(held: Certificate, facts: Facts) -> list[str]:
    """Return what is wrong with the proof: the bound is computed again from the weights and from the words themselves."""
    proof = held.proof
    units = set(facts.owners)
    if set(proof.weights) != units or min(proof.weights.values()) < 0:
        return [f"proof.weights: expected a number from 0 for each of {', '.join(sorted(units))}"]
    if abs(sum(proof.weights.values()) - 1) > CLOSE:
        return [f"proof.weights: their sum is {sum(proof.weights.values()):.12g}, not 1"]
    again = proved_by(facts, proof.weights, proof.least_words > 0)
    found = Proof(
        value=again.of(held.objective), weights=proof.weights, units_s=again.units_s, words=dict(again.words),
        least_words=again.least_words,
        traffic_B=again.traffic_B, memory_s=again.memory_s, launch_s=again.launch_s,
    )  # fmt: skip
    return _differs("proof", proof, found)


def _claims(held: Certificate, best: float) -> list[str]:
    mistakes: list[str] = []
    if held.proof.value > best * (1 + CLOSE):
        mistakes.append(f"proof.value: the bound {held.proof.value:g} is above the price {best:g}")
    covered = min(1.0, held.proof.value / best) if best else 1.0
    if not _close(covered, held.covered):
        mistakes.append(f"covered: {held.covered:.12g} is stated, {covered:.12g} is so")
    if held.claim != claim_of(held.objective, held.covered):
        mistakes.append(f"claim: expected {claim_of(held.objective, held.covered)!r}, got {held.claim!r}")
    if held.runner_up is not None and _objective(held.runner_up, held.objective) < best * (1 - 1e-6):
        mistakes.append("runner_up: it is better than the winner")
    return mistakes


def _objective(price: Price, objective: str) -> float:
    energy = math.inf if price.energy_J is None else price.energy_J
    if objective == "edp":
        return energy * price.latency_s
    return {"latency": price.latency_s, "energy": energy, "traffic": price.traffic_B}[objective]


def _differs(name: str, stated: _Part, found: _Part) -> list[str]:
    rows = _rows(name, stated.model_dump(), found.model_dump())
    return [
        f"{at}: {one!r} is stated, {other!r} is computed" for at, one, other in rows if not _close(one, other)
    ]


def _rows(name: str, stated: Any, found: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(stated, dict) and isinstance(found, dict):
        one, other = cast("dict[str, Any]", stated), cast("dict[str, Any]", found)
        keys = dict.fromkeys((*one, *other))
        return [row for key in keys for row in _rows(f"{name}.{key}", one.get(key), other.get(key))]
    return [(name, stated, found)]


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-30)
    return one == other
