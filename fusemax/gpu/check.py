"""Whether a kernel's result is right: against float64 attention, written from the definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.gpu import libraries
from fusemax.gpu.shape import Shape

#: Largest error of a row, by its 2-norm, that rounding to a format explains: weights and outputs are rounded once each (a
#: relative error of 2^-9 in bf16, 2^-12 in fp16), and those of one row nearly average out. Gradients take one product more.
TOLERANCE: Mapping[str, float] = {"bf16": 1e-2, "fp16": 2e-3, "fp32": 2e-5}
#: A row whose expected norm is below this part of the largest one is held to that part: a gradient may vanish.
LEAST_NORM = 1e-3
GRADIENT_FACTOR = 2.0
#: Rows of queries that are compared, and the largest score matrix for which gradients of K and V are.
ROWS = 64
LARGEST_SCORES = 2**26


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How far a result is off, how far it may be, and which tensors were compared."""

    error: float
    tolerance: float
    compared: str

    @property
    def right(self) -> bool:
        """Return whether the error is within the tolerance; a NaN is not."""
        return self.error <= self.tolerance


def check_output(out: Any, q: Any, k: Any, v: Any, shape: Shape, dtype: str) -> Check:
    """Return the error of *out* at up to 64 queries of the last head, all keys taken.

    The rows are spread evenly, first and last included.
    """
    torch = libraries.torch()
    picked = torch.linspace(0, shape.seqlen_q - 1, min(ROWS, shape.seqlen_q), device=q.device).round().long()
    group = shape.heads // shape.kv_heads
    head = shape.heads - 1
    rows = q[-1, head, picked].double()
    expected = _attention(
        rows, k[-1, head // group].double(), v[-1, head // group].double(), picked, shape.causal
    )
    error = _relative(out[-1, head, picked], expected)
    return Check(error=error, tolerance=TOLERANCE[dtype], compared="out")


def check_gradients(gradients: Any, dout: Any, q: Any, k: Any, v: Any, shape: Shape, dtype: str) -> Check:
    """Return the error of dQ, dK and dV for the last group of heads, by float64 automatic differentiation.

    Where the group's scores would not fit comfortably in memory nothing is compared, and it says so.
    """
    torch = libraries.torch()
    group = shape.heads // shape.kv_heads
    tolerance = TOLERANCE[dtype] * GRADIENT_FACTOR
    if group * shape.seqlen_q * shape.seqlen_kv > LARGEST_SCORES:
        return Check(error=0.0, tolerance=tolerance, compared="")
    leaves = [q[-1, -group:], k[-1, -1], v[-1, -1]]
    leaves = [leaf.detach().double().requires_grad_() for leaf in leaves]
    positions = torch.arange(shape.seqlen_q, device=q.device)
    with torch.enable_grad():
        out = _attention(leaves[0], leaves[1], leaves[2], positions, shape.causal)
        expected = torch.autograd.grad(out, leaves, dout[-1, -group:].double())
    dq, dk, dv = gradients
    actual = (dq[-1, -group:], dk[-1, -1], dv[-1, -1])
    error = max(_relative(one, other) for one, other in zip(actual, expected, strict=True))
    return Check(error=error, tolerance=tolerance, compared="dq dk dv")


def _attention(q: Any, k: Any, v: Any, positions: Any, causal: bool) -> Any:
    """Return softmax(q·k / sqrt(E))·v of the queries at *positions*, masked when causal."""
    torch = libraries.torch()
    scores = q @ k.T / k.shape[-1] ** 0.5
    if causal:
        hidden = torch.arange(k.shape[0], device=k.device)[None, :] > positions[:, None]
        scores = scores.masked_fill(hidden, -float("inf"))
    return torch.softmax(scores, dim=-1) @ v


def _relative(actual: Any, expected: Any) -> float:
    """Return the largest error of a row: the 2-norm of its difference over that of what was expected.

    Row by row, as rows of a long causal mask are small: an error in most of them hides behind the largest value of all.
    """
    torch = libraries.torch()
    norms = torch.linalg.vector_norm(expected, dim=-1)
    least = (LEAST_NORM * norms.max()).clamp_min(1e-30)
    errors = torch.linalg.vector_norm(actual.double() - expected, dim=-1)
    return float((errors / norms.clamp_min(least)).max())
