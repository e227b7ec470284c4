"""Run the Triton kernels on the CPU and print their errors: a process of its own, since triton decides at import.

Run as ``TRITON_INTERPRET=1 python interpreted.py GRID ROWS``; it also sends the kernels through the harness, on the
grid in the file GRID into the file ROWS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from fusemax.gpu.kernels import Tiles, prepare
from fusemax.gpu.measure import measure

SHAPES = ((37, 53, False), (50, 50, True), (1, 70, False))
DTYPES = {"float32": torch.float32, "float16": torch.float16}


def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Return attention from its definition, one head after the other, in float64."""
    out = torch.empty(q.shape, dtype=torch.float64)
    group = q.shape[1] // k.shape[1]
    for batch in range(q.shape[0]):
        for head in range(q.shape[1]):
            keys, values = k[batch, head // group].double(), v[batch, head // group].double()
            scores = q[batch, head].double() @ keys.T / q.shape[-1] ** 0.5
            if causal:
                scores += torch.full(scores.shape, -float("inf"), dtype=torch.float64).triu(1)
            out[batch, head] = scores.softmax(-1) @ values
    return out


def errors() -> dict[str, float]:
    """Return the largest error of each kernel on ragged tiles, a causal mask and one query, heads grouped."""
    found: dict[str, float] = {}
    for queries, keys, causal in SHAPES:
        generator = torch.Generator().manual_seed(queries)
        sizes = (2, 4, queries, 16), (2, 2, keys, 16), (2, 2, keys, 16)
        for name, dtype in DTYPES.items():
            q, k, v = (torch.randn(size, generator=generator).to(dtype) for size in sizes)
            expected = attention(q, k, v, causal)
            for passes in (1, 2, 3):
                out = prepare(passes, q, k, v, causal, Tiles(P0=16, M0=32, warps=4))()
                found[f"{passes}-pass {name} {queries} {keys}"] = float((out.double() - expected).abs().max())
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = errors()
    measure(Path(sys.argv[2]), grid=Path(sys.argv[1]), device="cpu")
    sys.stdout.write(json.dumps(result))
