"""The check of a kernel's results finds errors that the largest value of all would hide."""

from __future__ import annotations

from typing import Any

import pytest

from fusemax.gpu.shape import Shape

torch: Any = pytest.importorskip("torch")

SHAPE = Shape(
    batch=1, heads=2, kv_heads=1, seqlen_q=512, seqlen_kv=512, head_dim=16, head_dim_v=16, causal=True, direction="bwd"
)  # fmt: skip


def tensors() -> list[Any]:
    """Q, K, V and dO in bf16, random."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(3)
    sizes = ((1, 2, 512, 16), (1, 1, 512, 16), (1, 1, 512, 16), (1, 2, 512, 16))
    return [torch.randn(size, generator=generator).to(torch.bfloat16) for size in sizes]


def attention(q: Any, k: Any, v: Any) -> Any:
    """Causal attention in float64, rounded to the inputs' format at the end."""
    group = q.shape[1] // k.shape[1]
    keys, values = (x.double().repeat_interleave(group, dim=1) for x in (k, v))
    scores = q.double() @ keys.transpose(-1, -2) / q.shape[-1] ** 0.5
    seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    return torch.softmax(scores.masked_fill(~seen, -float("inf")), -1) @ values


def test_right_results_pass() -> None:
    """Rounding alone stays far below the tolerance, in outputs and in gradients."""
    from fusemax.gpu.check import check_gradients, check_output

    q, k, v, dout = tensors()
    out = check_output(attention(q, k, v).to(torch.bfloat16), q, k, v, SHAPE, "bf16")
    assert out.right
    assert out.error < out.tolerance / 2
    leaves = [tensor.double().requires_grad_() for tensor in (q, k, v)]
    gradients = torch.autograd.grad(attention(*leaves), leaves, dout.double())
    assert check_gradients([g.to(torch.bfloat16) for g in gradients], dout, q, k, v, SHAPE, "bf16").right


@pytest.mark.parametrize("part", ["late rows", "one row", "one gradient row"])
def test_wrong_rows_are_found(part: str) -> None:
    """Rows late in a causal mask are small beside the first: scaled by 0.6 they do not pass, nor does one row of zeros."""
    from fusemax.gpu.check import check_gradients, check_output

    q, k, v, dout = tensors()
    if part == "one gradient row":
        leaves = [tensor.double().requires_grad_() for tensor in (q, k, v)]
        gradients = [
            g.to(torch.bfloat16) for g in torch.autograd.grad(attention(*leaves), leaves, dout.double())
        ]
        gradients[1][..., 100, :] = 0
        assert not check_gradients(gradients, dout, q, k, v, SHAPE, "bf16").right
        return
    out = attention(q, k, v).to(torch.bfloat16)
    if part == "late rows":
        out[..., 64:, :] *= 0.6
    else:
        out[..., 511, :] = 0
    assert not check_output(out, q, k, v, SHAPE, "bf16").right


def test_what_is_left_out_shows() -> None:
    """A NaN in a result is no right result."""
    from fusemax.gpu.check import check_output

    q, k, v, _ = tensors()
    out = attention(q, k, v).to(torch.bfloat16)
    out[..., -1, 3] = float("nan")
    assert not check_output(out, q, k, v, SHAPE, "bf16").right


def test_heads_lie_beside_each_other() -> None:
    """Inputs, output gradients and outputs have the layout in which libraries copy nothing."""
    from fusemax.gpu.call import Call
    from fusemax.gpu.grid import Point

    point = Point(backend="math", dtype="fp32", shape=SHAPE, traffic=False)
    call = Call(point, "cpu", 0)
    for tensor in (*call._inputs, call._dout):
        assert tensor.transpose(1, 2).is_contiguous()
    assert call.check().right
