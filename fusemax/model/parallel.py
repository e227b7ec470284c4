"""How chips share a model: the degrees of each kind of parallelism, read and checked.

Chips are numbered so that those that talk most stand side by side: the ``tensor`` group innermost, then ``context``, ``data``
and ``pipeline``. Experts are spread over the chips of one pipeline stage, innermost first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import lcm
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.model.shape import Beside, Experts, LatentAttention, Model, Recurrent
from fusemax.nearest import meant

LARGEST = 2**20  #: the most chips of one kind of parallelism


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Degrees of parallelism; 1 is none of it.

    Attributes
    ----------
    tensor
        Chips that share every matrix and every head (Megatron-LM, arXiv 1909.08053, section 3).
    sequence
        Chips of a tensor group that share the tokens of what lies between its products, norms and residuals (Korthikanti et
        al., arXiv 2205.05198, section 4.2.2): 1, or as many as ``tensor``.
    context
        Chips that share the tokens of a sequence, and its cache.
    data
        Groups of chips that each take a part of the sequences.
    pipeline
        Stages, each with its own layers (GPipe, arXiv 1811.06965).
    expert
        Chips over which the experts of a layer are spread; some of those of ``tensor``, ``context`` and ``data``.
    micro
        Micro-batches that follow one another through the stages.
    imbalance
        Rows of the chip with the most work for experts, over the mean.
    overlap
        The part of the time of exchanges that other work of the same layers hides, as far as that lasts.
    """

    tensor: int = 1
    sequence: int = 1
    context: int = 1
    data: int = 1
    pipeline: int = 1
    expert: int = 1
    micro: int = 1
    imbalance: float = 1.0
    overlap: float = 0.0

    @property
    def stage(self) -> int:
        """Chips of one pipeline stage."""
        return self.tensor * self.context * self.data

    @property
    def chips(self) -> int:
        """All chips."""
        return self.stage * self.pipeline

    def __str__(self) -> str:
        shown = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return ",".join(f"{name}={value:g}" for name, value in shown if value != getattr(ALONE, name))


ALONE = Parallel()  #: one chip
DEGREES = ("tensor", "sequence", "context", "data", "pipeline", "expert", "micro")
FACTORS = {"imbalance": (1.0, 1e3), "overlap": (0.0, 1.0)}  #: the others, with what they may be


def parallel_of(given: Mapping[str, Any]) -> Parallel:
    """Return the parallelism that *given* says by name.

    >>> str(parallel_of({"tensor": 8, "pipeline": 2}))
    'tensor=8,pipeline=2'

    Raises
    ------
    FusemaxError
        For a name that there is not, and a number that cannot be meant.
    """
    known = (*DEGREES, *FACTORS)
    for name, value in given.items():
        if name not in known:
            raise FusemaxError(f"no parallelism {name!r}; {meant(name, known)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in DEGREES and not (number and 1 <= value <= LARGEST and value == int(value)):
            raise FusemaxError(f"{name}: expected a whole number of at least 1, got {value!r}")
        if name in FACTORS and not (number and FACTORS[name][0] <= value <= FACTORS[name][1]):
            least, most = FACTORS[name]
            raise FusemaxError(f"{name}: expected a number from {least:g} to {most:g}, got {value!r}")
    return Parallel(**{name: int(value) if name in DEGREES else value for name, value in given.items()})


def parallel_from(text: str) -> Parallel:
    """Return the parallelism that *text*, such as ``tensor=8,pipeline=2``, says; see :func:`parallel_of`."""
    given: dict[str, Any] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, said = (word.strip() for word in entry.partition("="))
        if name in given:
            raise FusemaxError(f"{name} is said twice")
        try:
            given[name] = float(said)
        except ValueError:
            raise FusemaxError(
                f"{entry!r}: expected a name and a number\n  hint: such as tensor=8,pipeline=2"
            ) from None
    return parallel_of(given)


def refusals(model: Model, parallel: Parallel) -> list[str]:
    """Return why *parallel* cannot run *model*: nothing if it can."""
    found: list[str] = []
    if parallel.sequence not in (1, parallel.tensor):
        found.append(f"sequence={parallel.sequence}: expected 1, or as many as tensor={parallel.tensor}")
    if parallel.pipeline > model.depth:
        found.append(f"pipeline={parallel.pipeline}: {model.name} has {model.depth} layers")
    for name in ("pipeline", "context"):
        if model.encoder is not None and getattr(parallel, name) > 1:
            found.append(
                f"{name}={getattr(parallel, name)}: not modelled for an encoder with a decoder ({model.name})"
            )
    if parallel.micro > 1 and parallel.pipeline == 1:
        found.append(f"micro={parallel.micro}: micro-batches need pipeline stages")
    if parallel.context > 1 and any(isinstance(layer.mixer, Recurrent | Beside) for layer in model.layers):
        found.append(
            f"context={parallel.context}: the states of {model.name} go from token to token, which is not modelled over chips"
        )
    chosen = [
        layer.mixer
        for layer in model.layers
        if isinstance(layer.mixer, LatentAttention) and layer.mixer.chosen
    ]
    if parallel.context > 1 and chosen:
        found.append(
            f"context={parallel.context}: keys that an indexer chooses are not modelled over chips ({model.name})"
        )
    experts = [layer.feed_forward for layer in model.layers if isinstance(layer.feed_forward, Experts)]
    found += _expert_refusals(model, parallel, experts)
    return found


def _expert_refusals(model: Model, parallel: Parallel, experts: list[Experts]) -> list[str]:
    n = parallel.expert
    if parallel.imbalance > 1 and n == 1:
        return [f"imbalance={parallel.imbalance:g}: needs expert parallelism, such as expert=8"]
    if n == 1:
        return []
    if not experts:
        return [f"expert={n}: {model.name} has no experts"]
    found = [f"expert={n}: does not divide {part.count} experts" for part in experts if part.count % n]
    if parallel.stage % n or (n % parallel.tensor and parallel.tensor % n):
        found.append(
            f"expert={n}: expected a part of tensor={parallel.tensor}, or a multiple of it that divides the {parallel.stage}"
            f" chips of tensor, context and data\n  hint: such as tensor={parallel.tensor},data={_groups(parallel, n)},"
            f"expert={n}: groups of chips that take sequences of their own share the experts"
        )
    return found


def _groups(parallel: Parallel, n: int) -> int:
    """Return how many groups of *parallel*, of its tensor and context degrees, have a whole number of times *n* chips."""
    return lcm(n, parallel.tensor * parallel.context) // (parallel.tensor * parallel.context)


def share_of_batch(parallel: Parallel, batch: int) -> int:
    """Return the sequences of one micro-batch on one group of chips; raise FusemaxError where they do not come out even."""
    parts = parallel.data * parallel.micro
    if batch % parts:
        said = " and ".join(
            f"{name}={value}"
            for name, value in (("data", parallel.data), ("micro", parallel.micro))
            if value > 1
        )
        raise FusemaxError(f"{said}: {batch} sequences do not divide into {parts} parts")
    return batch // parts
