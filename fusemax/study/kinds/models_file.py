"""What a study of kind ``models`` says, and the columns of its tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.language.value import is_size, size_fault
from fusemax.quantity import quantity
from fusemax.study.spec.values import bytes_value, reading
from fusemax.table.column import LENGTH, LENGTH_HEADING, measure, piece, remark, size, text, truth
from fusemax.typed import FilePart

LEAST_B, MOST_B = 0.25, 8.0  #: of a number


def _whole(value: Any) -> int:
    number = quantity(value, "1")
    if not is_size(number):
        raise ValueError(f"expected {size_fault(number)}, got {value}")
    return int(number)


def _width_B(value: Any) -> float:  # noqa: N802 - bytes
    width_B = bytes_value(value)
    if not LEAST_B <= width_B <= MOST_B:
        raise ValueError(f"expected from 2 bit to 8 B, got {value}")
    return width_B


Whole = Annotated[int, reading(_whole)]


Width = Annotated[float, reading(_width_B)]


class Where(FilePart):
    """Where models run: one machine, or chips that share a model; whether to ``search`` before taking shipped mappings.

    ``chips`` share every layer; ``parallel`` says degrees by name instead. ``engine`` and ``host`` are those of a framework.
    """

    machine: str | None = None
    system: str | None = None
    chips: Whole | None = None
    parallel: dict[str, float] | None = None
    search: bool = False
    engine: dict[str, str] = Field(default_factory=dict)
    host: dict[str, str] = Field(default_factory=dict)


class Phase(FilePart):
    """What is run: prompts of ``B`` sequences of ``length`` tokens, or one token more for each, ``length`` in the cache.

    Models with an encoder, which read ``length`` tokens of a source, have read ``source`` of them before they make one more.
    """

    phase: Literal["prefill", "decode"]
    B: list[Whole]
    length: list[Whole]
    source: Whole | None = None


class Words(FilePart):
    """Widths of numbers in bytes, from a quarter of one to 8."""

    weights: Width = 2.0
    cache: Width = 2.0
    activations: Width = 2.0
    attention: Width | None = None


class ModelsFile(FilePart):
    """What a study of kind ``models`` holds: models, machines and phases, all crossed."""

    kind: Literal["models"]
    title: str
    source: str
    doc: str = ""
    models: dict[str, str]
    systems: dict[str, Where]
    phases: list[Phase]
    words: Words = Field(default_factory=Words)
    figures: list[dict[str, Any]] = Field(default_factory=list)


#: Columns whose values are known when a study has run.
UNKNOWN = ("limit", "reason", "fits")


TOKENS = replace(measure("tokens_per_s", "tokens read or made", unit="1/s"), heading="tokens per second")


RESULTS = (
    text("model"), text("system", "the machine, or chips that share every layer"),
    text("phase", "prefill: all tokens of the prompts are read; decode: one token more for each sequence"),
    size("B", "sequences", heading="sequences"), size(LENGTH, "tokens of each sequence", heading=LENGTH_HEADING),
    truth("fits", "whether weights, cache and activations have room on a chip; empty where its memory is not said"),
    measure("latency_s", "of one pass", adds="sum"), TOKENS,
    measure("latency_per_token_s", "of one pass, over its new tokens"),
    measure("traffic_B", "through the outermost level of a chip", adds="sum"),
    measure("energy_J", "of all chips", adds="sum"), measure("weights_B", "on a chip"), measure("cache_B", "on a chip"),
    measure("memory_B", "weights, cache and activations on a chip"), remark("limit", "the kind of work that takes longest"),
    remark("reason", "why there is no value"),
)  # fmt: skip


BREAKDOWN = (
    *RESULTS[:5], piece("work", "kind of work"), measure("time_s", "of all its steps", adds="sum"),
    measure("share", "of the pass", unit="1", shown="%"),
)  # fmt: skip
