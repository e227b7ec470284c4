"""One point made ready: its tensors, the call to time, what to refresh ahead of it, and its check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fusemax.gpu import libraries
from fusemax.gpu.backends import BACKENDS
from fusemax.gpu.check import Check, check_gradients, check_output
from fusemax.gpu.grid import Point

_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


class Call:
    """A point on a device: :meth:`refresh` draws new random inputs, :meth:`run` is what is timed.

    Forward times the backend alone. Backward times the gradients of Q, K and V; the forward pass that they need
    belongs to :meth:`refresh`. Both together are timed as one.
    """

    def __init__(self, point: Point, device: str, seed: int) -> None:
        torch = libraries.torch()
        shape = point.shape
        self._torch, self.point = torch, point
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._gradients = shape.direction != "fwd"
        dtype = getattr(torch, _DTYPES[point.dtype])
        of_queries = (shape.batch, shape.seqlen_q, shape.heads, shape.head_dim)
        of_keys = (shape.batch, shape.seqlen_kv, shape.kv_heads, shape.head_dim)
        # heads lie beside each other in memory, as libraries have them: else they copy dO and O inside the timed backward
        self._inputs = [
            torch.empty(size, dtype=dtype, device=device).transpose(1, 2)
            for size in (of_queries, of_keys, of_keys)
        ]
        self._dout = torch.empty(of_queries, dtype=dtype, device=device).transpose(1, 2)
        for tensor in self._inputs:
            tensor.requires_grad_(self._gradients)
        q, k, v = self._inputs
        self._forward = BACKENDS[point.backend].prepare(q, k, v, shape.causal)
        self._out: Any = None
        self.run: Callable[[], Any] = {
            "fwd": self._run_forward,
            "bwd": self._run_backward,
            "fwd+bwd": self._run_both,
        }[shape.direction]

    def refresh(self) -> None:
        """Draw new inputs, and for a backward pass run the forward pass on them."""
        with self._torch.no_grad():
            for tensor in (*self._inputs, *([self._dout] if self._gradients else [])):
                tensor.normal_(generator=self._generator)
        if self.point.shape.direction == "bwd":
            self._run_forward()

    def check(self) -> Check:
        """Return how far the results for fresh inputs are from float64 attention, gradients included."""
        self.refresh()
        result = self._poisoned(self.run)
        q, k, v = (tensor.detach() for tensor in self._inputs)
        shape, dtype = self.point.shape, self.point.dtype
        output = check_output(self._out.detach(), q, k, v, shape, dtype)
        if not self._gradients:
            return output
        gradients = check_gradients(result, self._dout, q, k, v, shape, dtype)
        worst = max(output, gradients, key=_badness)
        compared = f"{output.compared} {gradients.compared}".strip()
        return Check(error=worst.error, tolerance=worst.tolerance, compared=compared)

    def _poisoned(self, run: Callable[[], Any]) -> Any:
        """Return what *run* returns, memory that it may be given for its results filled with NaN: what it leaves out shows."""
        for tensor in (*self._inputs, self._dout):
            self._torch.full_like(tensor, float("nan"), requires_grad=False)
        return run()

    def _run_forward(self) -> Any:
        self._out = self._forward()
        return self._out

    def _run_backward(self) -> Any:
        return self._torch.autograd.grad(self._out, self._inputs, self._dout)

    def _run_both(self) -> Any:
        self._run_forward()
        return self._run_backward()


def _badness(check: Check) -> float:
    """Return the error over its tolerance; a NaN is the worst of all."""
    ratio = check.error / check.tolerance
    return ratio if ratio == ratio else float("inf")
