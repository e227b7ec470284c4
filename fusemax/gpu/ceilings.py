"""What the device reaches at its best in the same run: a copy, a matrix product, and the shortest launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fusemax.gpu import libraries
from fusemax.gpu.timing import Device

_COPY_B = {"cuda": 2**30, "cpu": 2**24}
_SIDE = {"cuda": 8192, "cpu": 512}
_MATMUL_DTYPES = {"cuda": ("bfloat16", "float16"), "cpu": ("float32",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """One ceiling: its key in the file, what to time, and the work and bytes of one call."""

    kind: str
    label: str
    before: Callable[[], None]
    run: Callable[[], Any]
    dtype: str | None = None
    work_FLOP: float | None = None
    moved_B: float | None = None


def ceilings(device: Device, seed: int) -> Iterator[Ceiling]:
    """Yield what there is to time; each one's memory is freed when the next is asked for."""
    yield _copy(device)
    for name in _MATMUL_DTYPES[device.kind]:
        yield _matmul(device, name, seed)
    if device.kind == "cuda":
        yield _matmul_fp8(device, seed)
        yield _launch(device)


def _copy(device: Device) -> Ceiling:
    """A copy within DRAM, which reads and writes every byte once."""
    torch = libraries.torch()
    size_B = _COPY_B[device.kind]
    source = torch.ones(size_B, dtype=torch.int8, device=device.kind)
    target = torch.empty_like(source)
    return Ceiling(
        kind="copy",
        label=f"copy {size_B} B",
        before=_nothing,
        run=lambda: target.copy_(source),
        moved_B=2.0 * size_B,
    )


def _matmul(device: Device, dtype: str, seed: int) -> Ceiling:
    """A square product of random matrices: their values decide the power, and with it the clock."""
    torch = libraries.torch()
    side = _SIDE[device.kind]
    generator = torch.Generator(device=device.kind).manual_seed(seed)
    shape = {"size": (side, side), "device": device.kind, "generator": generator}
    left, right = (torch.randn(**shape).to(getattr(torch, dtype)) for _ in range(2))
    out = torch.empty_like(left)
    return Ceiling(
        kind="matmul",
        label=f"matmul {dtype} {side}x{side}x{side}",
        before=_nothing,
        run=lambda: torch.mm(left, right, out=out),
        dtype=dtype,
        work_FLOP=2.0 * side**3,
    )


def _matmul_fp8(device: Device, seed: int) -> Ceiling:
    """The same of 8 bits, summed in 32: attention of 8 bits itself needs a library that torch does not bring."""
    torch = libraries.torch()
    side = _SIDE[device.kind]
    generator = torch.Generator(device=device.kind).manual_seed(seed)
    shape = {"size": (side, side), "device": device.kind, "generator": generator}
    left, right = (torch.randn(**shape).to(torch.float8_e4m3fn) for _ in range(2))
    one = torch.ones((), device=device.kind)
    across = right.t()  # the library wants the second operand column by column
    return Ceiling(
        kind="matmul",
        label=f"matmul float8_e4m3fn {side}x{side}x{side}",
        before=_nothing,
        run=lambda: torch._scaled_mm(left, across, scale_a=one, scale_b=one, out_dtype=torch.bfloat16),
        dtype="float8_e4m3fn",
        work_FLOP=2.0 * side**3,
    )


def _launch(device: Device) -> Ceiling:
    """The time between events around a kernel that does next to nothing."""
    torch = libraries.torch()
    one = torch.zeros(1, device=device.kind)
    return Ceiling(kind="launch", label="launch", before=_nothing, run=lambda: one.add_(1))


def _nothing() -> None:
    """Prepare nothing: each repetition works on the same buffers, which exceed every cache or hold one value."""
