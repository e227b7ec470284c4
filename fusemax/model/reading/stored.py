"""How wide a file says that its weights are stored: ``quantization_config`` as the transformers library has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fusemax.model.shape import Stored
from fusemax.source import Document, KeyPath

KEY = "quantization_config"
#: Bits of a weight for methods and algorithms that do not say them by a key of their own.
BITS: Mapping[str, float] = {
    "fp8": 8, "fbgemm_fp8": 8, "mxfp4": 4, "nvfp4": 4, "fp4": 4, "int8": 8, "int4": 4, "w4a16_awq": 4, "w4a8_awq": 4,
}  # fmt: skip


def stored_in(document: Document, at: KeyPath) -> Stored | None:
    """Return how the weights are stored, as the configuration at *at* or the one around it says; None where neither does.

    What says no number of bits between 1 and 32 says nothing here: its key stays among those that were not used.
    """
    for place in (at, ()):
        data: Any = document.data
        for step in place:
            data = data[step]
        said = data.get(KEY)
        if isinstance(said, dict):
            bits = next((float(one) for one in _bits(said) if _is_width(one)), None)
            method = said.get("quant_method") or said.get("quant_algo")
            return None if bits is None else Stored(method=str(method or "quantised"), bits=bits)
    return None


def _bits(said: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what may be the bits of a weight, from the most certain on."""
    yield from (said.get(key) for key in ("bits", "w_bit", "weight_bits", "wbits"))
    groups = said.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict):
            yield weights.get("num_bits")
    for flag, bits in (("load_in_4bit", 4), ("load_in_8bit", 8)):
        if said.get(flag) is True or said.get(f"_{flag}") is True:
            yield bits
    for key in ("quant_algo", "quant_method", "fmt"):
        word = said.get(key)
        yield BITS.get(word.lower()) if isinstance(word, str) else None


def _is_width(bits: object) -> bool:
    return isinstance(bits, int | float) and not isinstance(bits, bool) and 1 <= bits <= 32
