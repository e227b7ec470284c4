"""How a framework runs a model where that is not as quick as the chips would be: its host, its kernels, its collectives.

Nothing of it is a property of a chip or a model; whoever asks about a certain framework of a certain year says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.nearest import meant
from fusemax.quantity import QuantityError, quantity

LONGEST_S = 60.0
SHARED, APART = "shared", "apart"
STORED, FOUND = "stored", "found"
LAUNCHED, RECORDED = "launched", "recorded"
WHOLE = "whole"
#: What an engine may say, by the key; ``library`` is a name.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "keys": (SHARED, APART), "scales": (STORED, FOUND), "kernels": (LAUNCHED, RECORDED),
    "attention": (WHOLE, APART),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host takes: ``kernel_s`` to launch each kernel, beside the chip's work, and ``pass_s`` before each pass.

    A chip that is quicker than its host launches waits for it: a framework that records no graphs of kernels is so.
    ``prompt_s`` comes before passes that read a prompt alone: what a host sets up for a batch, and then leaves as it is.
    """

    pass_s: float = 0.0
    kernel_s: float = 0.0
    prompt_s: float = 0.0

    def before_s(self, reading: bool) -> float:
        """Return what the host takes before a pass, which reads a prompt or makes tokens."""
        return self.pass_s + (self.prompt_s if reading else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a framework does.

    Attributes
    ----------
    keys
        How kernels that make tokens read the cache of grouped heads: once for all query heads of a group (``shared``), or once
        for each of them (``apart``), as kernels of 2023 did (before the XQA kernels of NVIDIA/TensorRT-LLM:
        docs/source/blogs/XQA-kernel.md).
    library
        The library of collectives that it calls for whatever that library does; empty for the quickest of the system's.
    scales
        Where the scale comes from by which the input of a product of fewer bits is quantised: it is known before, or comes
        with each row or block as that is read (``stored``); or one scale for the whole input is found by a kernel of its own
        that reads all of it first (``found``), as NVIDIA/TensorRT-LLM does where a file holds none
        (``quantize_e4m3_per_tensor``: cpp/tensorrt_llm/common/cudaFp8Utils.cu).
    kernels
        Whether kernels that only move data are launched one by one (``launched``) or come from a recorded graph of kernels
        (``recorded``), with less time between them: the machine's ``graph_launch``.
    attention
        Whether a prompt's attention is one kernel (``whole``), or scores, softmax and output are kernels that leave all scores
        in memory, hidden ones too (``apart``), as in NVIDIA/FasterTransformer where ``FMHA_ENABLE=ON`` is not said.
    host
        What its host takes.
    """

    keys: str = SHARED
    library: str = ""
    scales: str = STORED
    kernels: str = LAUNCHED
    attention: str = WHOLE
    host: Host = field(default_factory=Host)


def host_of(given: Mapping[str, Any]) -> Host:
    """Return the host that *given* says by name: ``pass``, ``prompt`` and ``kernel``, times with their units.

    >>> host_of({"kernel": "5us"})
    Host(pass_s=0.0, kernel_s=5e-06, prompt_s=0.0)

    Raises
    ------
    FusemaxError
        For other names, and what is no time from 0 to a minute.
    """
    found: dict[str, float] = {}
    for name, said in given.items():
        if name not in ("pass", "prompt", "kernel"):
            raise FusemaxError(
                f"{name!r} is none of pass, prompt, kernel\n  hint: such as pass=1ms,kernel=5us"
            )
        try:
            value = quantity(said, "s")
        except QuantityError as error:
            raise FusemaxError(f"{name}: {error}\n  hint: such as {name}=5us") from None
        without = value and not (isinstance(said, str) and said.strip()[-1:].isalpha())
        if without or not 0 <= value <= LONGEST_S:
            raise FusemaxError(f"{name}: expected a time from 0 to 60 s with its unit, got {said!r}")
        found[f"{name}_s"] = value
    return Host(**found)


def engine_of(given: Mapping[str, Any]) -> Engine:
    """Return the engine that *given* says by name: ``keys``, ``library``, ``scales``, ``kernels``, ``attention``.

    >>> engine_of({"keys": "apart", "library": "nccl"}).library
    'nccl'

    Raises
    ------
    FusemaxError
        For other names, and what a name cannot be.
    """
    known = ("library", *CHOICES)
    for name, said in given.items():
        if name not in known:
            raise FusemaxError(f"no part {name!r} of an engine; {meant(name, known)}")
        if not isinstance(said, str) or not said or said not in CHOICES.get(name, (said,)):
            wanted = " or ".join(CHOICES.get(name, ("the name of a library",)))
            raise FusemaxError(f"{name}: expected {wanted}, got {said!r}")
    return Engine(**given)


def refuse_idle(engine: Engine, decoding: bool) -> None:
    """Raise FusemaxError where *engine* says of one phase alone what holds for kernels of the other."""
    if decoding and engine.attention == APART:
        raise FusemaxError(
            "attention=apart: says how a prompt is read; kernels that make tokens are the same"
            "\n  hint: leave it out, or ask for --phase prefill or generate"
        )
    if not decoding and engine.keys == APART:
        raise FusemaxError(
            "keys=apart: says how kernels that make tokens read the cache; a prompt alone makes none"
            "\n  hint: leave it out, or ask for --phase decode or generate"
        )


def entries(text: str) -> dict[str, str]:
    """Return the entries ``name=value`` of *text*, apart by commas; raise FusemaxError for one without, or said twice."""
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (equals and name and value):
            raise FusemaxError(f"{entry!r}: expected a name and a value, such as name=value")
        if name in found:
            raise FusemaxError(f"{name} is said twice")
        found[name] = value
    return found
