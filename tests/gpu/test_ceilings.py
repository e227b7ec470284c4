"""What is asked of torch before anything is timed, on a stand-in for it: no GPU is needed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from fusemax.gpu import libraries
from fusemax.gpu.backends import BACKENDS
from fusemax.gpu.ceilings import ceilings


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Return a stand-in for torch that remembers every call."""
    stand_in = MagicMock()
    monkeypatch.setattr(libraries, "torch", lambda: stand_in)
    return stand_in


def test_unfused_attention_multiplies_in_the_width_of_its_inputs(torch: MagicMock) -> None:
    """Torch's own default multiplies 16 bits in 32, which no row of ours says."""
    q: Any = SimpleNamespace(shape=(1, 2, 64, 64))
    BACKENDS["math"].prepare(q, q, q, False)
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp.assert_called_once_with(True)


def test_the_products_of_a_device(torch: MagicMock) -> None:
    """Of 16 bits by the usual call, of 8 bits by the scaled one, which sums in 32 and needs no other library."""
    device: Any = SimpleNamespace(kind="cuda")
    found = {one.dtype: one for one in ceilings(device, 0) if one.kind == "matmul"}
    assert set(found) == {"bfloat16", "float16", "float8_e4m3fn"}
    assert {one.work_FLOP for one in found.values()} == {2.0 * 8192**3}
    found["bfloat16"].run()
    torch._scaled_mm.assert_not_called()
    found["float8_e4m3fn"].run()
    torch._scaled_mm.assert_called_once()
    assert torch._scaled_mm.call_args.kwargs["out_dtype"] is torch.bfloat16
