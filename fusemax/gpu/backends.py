"""The attention kernels that can be timed: one function each, in one table."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.gpu import libraries

#: A call that is ready to be timed: it computes attention on the tensors that it was made for.
Run = Callable[[], Any]
#: Takes q [batch, heads, P, E], k and v [batch, kv_heads, M, E] and whether the mask is causal.
Prepare = Callable[[Any, Any, Any, bool], Run]


class RefusedError(FusemaxError):
    """A backend that is not here, or that does not take this shape, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One kernel: how to make it ready, which devices and directions it knows, which library it needs."""

    prepare: Prepare
    needs: str = "torch"
    devices: tuple[str, ...] = ("cuda",)
    forward_only: bool = False
    dtypes: tuple[str, ...] = ("bf16", "fp16")

    def objection(self, device: str, dtype: str, direction: str) -> str | None:
        """Return why the backend cannot run so, or None."""
        if not libraries.installed(self.needs):
            return f"{self.needs} is not installed"
        if device not in self.devices and not (self.needs == "triton" and interpreted()):
            return f"runs on {', '.join(self.devices)} only"
        if self.forward_only and direction != "fwd":
            return "has no backward pass"
        if dtype not in self.dtypes:
            return f"takes {', '.join(self.dtypes)} only"
        return None


def interpreted() -> bool:
    """Return whether Triton kernels are interpreted on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _sdpa(name: str, q: Any, k: Any, v: Any, causal: bool) -> Run:
    """Return torch's scaled dot-product attention, held to its backend *name*."""
    torch = libraries.torch()
    attention = torch.nn.attention
    kind = getattr(attention.SDPBackend, name, None)
    if kind is None:
        raise RefusedError(f"torch {torch.__version__} has no backend {name}")
    grouped = {"enable_gqa": True} if q.shape[1] != k.shape[1] else {}
    _half_precision_products(torch)

    def run() -> Any:
        with attention.sdpa_kernel(kind):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, **grouped)

    return run


def _half_precision_products(torch: Any) -> None:
    """Let torch's unfused attention multiply in the inputs' own 16 bits, as it is taken to do; it would use 32 otherwise."""
    allow = getattr(torch.backends.cuda, "allow_fp16_bf16_reduction_math_sdp", None)
    if allow is not None:
        allow(True)


def _flash_attn(q: Any, k: Any, v: Any, causal: bool) -> Run:
    """Return the kernel of the package flash-attn, which wants [batch, length, heads, width]."""
    from importlib import import_module

    function = import_module("flash_attn").flash_attn_func

    def run() -> Any:
        across = (tensor.transpose(1, 2) for tensor in (q, k, v))
        return function(*across, causal=causal).transpose(1, 2)

    return run


def _passes(count: int, q: Any, k: Any, v: Any, causal: bool) -> Run:
    """Return our own Triton kernel of the cascade with *count* passes."""
    from fusemax.gpu import kernels

    width = q.shape[-1]
    if width < 16 or width & (width - 1):
        raise RefusedError(f"the width must be a power of 2 from 16 on, got {width}")
    return kernels.prepare(count, q, k, v, causal)


_ANY = ("bf16", "fp16", "fp32")
BACKENDS: Mapping[str, Backend] = {
    "math": Backend(prepare=partial(_sdpa, "MATH"), devices=("cuda", "cpu"), dtypes=_ANY),
    "efficient": Backend(prepare=partial(_sdpa, "EFFICIENT_ATTENTION"), dtypes=_ANY),
    "flash": Backend(prepare=partial(_sdpa, "FLASH_ATTENTION")),
    "cudnn": Backend(prepare=partial(_sdpa, "CUDNN_ATTENTION")),
    "flash-attn": Backend(prepare=_flash_attn, needs="flash_attn"),
    "1-pass": Backend(prepare=partial(_passes, 1), needs="triton", forward_only=True, dtypes=_ANY),
    "2-pass": Backend(prepare=partial(_passes, 2), needs="triton", forward_only=True, dtypes=_ANY),
    "3-pass": Backend(prepare=partial(_passes, 3), needs="triton", forward_only=True, dtypes=_ANY),
}


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a library raises when it does not take a shape into a :class:`RefusedError` with its reasons.

    Torch gives the reasons why no kernel fits as warnings, so these are part of the message.

    Raises
    ------
    RefusedError
        In place of any other error of the library, out of memory included.
    """
    with warnings.catch_warnings(record=True) as reasons:
        warnings.simplefilter("always")
        try:
            yield
        except FusemaxError:
            raise
        except Exception as error:  # libraries raise many kinds; the row keeps the text of each
            texts = [f"{type(error).__name__}: {error}", *(str(reason.message) for reason in reasons)]
            raise RefusedError(" | ".join(text.strip().split("\n")[0][:200] for text in texts)) from error
