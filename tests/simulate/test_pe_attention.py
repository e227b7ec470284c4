"""The arrays cycle by cycle: which element does what when (the paper's Figure 5), what comes out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine
from fusemax.mapping.nest import Mapped
from fusemax.simulate.array import simulate_array
from fusemax.simulate.pe.attention import run_attention
from fusemax.simulate.pe.formats import FORMATS
from fusemax.simulate.pe.program import (
    LANE_CODES,
    LANE_EINSUM,
    PE_CODES,
    PE_EINSUM,
    Epoch,
    pe_values,
    registers_needed,
)
from fusemax.simulate.pe.result import PeResult
from tests.mappings import load_mapping

TOY = {"2d.rows": 2.0, "2d.columns": 2.0, "1d.lanes": 2.0, "DRAM.bandwidth": 1e30}


@cache
def _fusemax() -> tuple[Mapped, Machine]:
    machine, path = load_machine("fusemax")
    return load_mapping("fusemax", machine, path), machine


def _run(
    sizes: dict[str, int], figures: dict[str, float], number_format: str = "float64", trace: bool = False
) -> PeResult:
    mapped, machine = _fusemax()
    return run_attention(mapped, machine, sizes, figures, number_format, trace=trace)


def _done(result: PeResult, start: int, stop: int) -> list[str]:
    """Return a line for each cycle: what elements (0,0) (0,1) (1,0) (1,1) and lanes 0 and 1 do, and for which tile."""

    def cell(place: np.ndarray, codes: tuple[str, ...], einsums: dict[str, str]) -> str:
        return f"{einsums[codes[place[0]]]}{place[1]}" if place[0] else "."

    first = int(np.flatnonzero(result.trace[:, 0, 0, 0])[0])  # the first words have come from memory
    lines = []
    for cycle in range(start, stop):
        row = result.trace[first + cycle]
        cells = [cell(row[r, c], PE_CODES, PE_EINSUM) for r in (0, 1) for c in (0, 1)]
        cells += [cell(row[2, c], LANE_CODES, LANE_EINSUM) for c in (0, 1)]
        lines.append(" ".join([str(cycle), *cells]))
    return lines


# Written by hand from the paper's description (section V, Figure 5) for E = F = 2: Q enters columns and K rows, a cycle later
# in each; scores stay; the maximum ripples down to the lanes, which return the running maximum a row's skew later; SLNV's sums
# flow down columns, a row per cycle, in the cycles between those of BQK, and meet RNV in the lanes between those of SPNV.
START_UP = """
0 BQK0 . . . . .
1 . BQK0 BQK0 . . .
2 BQK0 . . BQK0 . .
3 . BQK0 BQK0 . . .
4 LM0 . . BQK0 . .
5 . LM0 LM0 . . .
6 . . . LM0 RM0 .
7 . . . . PRM0 RM0
8 . . . . PRM0 PRM0
"""
STEADY = """
28 BQK2 SLD0 SLD0 SLN0 SPD0 PRM1
29 SLNV0 BQK2 BQK2 SLD0 RD0 SPD0
30 BQK2 SLNV0 SLNV0 BQK2 SPNV0 RD0
31 SLNV0 BQK2 BQK2 SLNV0 RNV0 SPNV0
32 LM2 SLNV0 SLNV0 BQK2 SPNV0 RNV0
33 . LM2 LM2 SLNV0 RNV0 SPNV0
34 SLN1 . . LM2 RM2 RNV0
35 SLN1 SLN1 SLN1 . PRM2 RM2
36 SLN1 SLN1 SLN1 SLN1 PRM2 PRM2
"""


def _toy() -> PeResult:
    return _run({"B": 1, "H": 1, "E": 2, "F": 2, "M": 16, "P": 2}, TOY, trace=True)


def test_start_up_of_a_toy_array():
    """Figure 5, start-up: BQK enters as a wavefront, every second cycle left free for SLNV, which has no tile yet."""
    assert START_UP.split("\n")[1:-1] == _done(_toy(), 0, 9)


def test_steady_state_of_a_toy_array():
    """Figure 5, steady state: BQK of one tile and SLNV of an earlier one take turns in every element."""
    assert STEADY.split("\n")[1:-1] == _done(_toy(), 28, 37)


def test_steady_state_repeats():
    """From the third epoch on the same happens every 14 cycles, for the next tile."""
    trace = _toy().trace
    first = int(np.flatnonzero(trace[:, 0, 0, 0])[0])
    one, two = trace[first + 36 : first + 50], trace[first + 50 : first + 64]

    assert (one[..., 0] == two[..., 0]).all()
    assert (np.where(one[..., 0] > 0, one[..., 1] + 1, 0) == two[..., 1]).all()


SIZES = st.fixed_dictionaries(
    {"B": st.integers(1, 2), "H": st.integers(1, 2), "E": st.integers(1, 9), "F": st.integers(1, 9)}
    | {"M": st.integers(1, 30), "P": st.integers(1, 30)}
)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1.0, 4.0]))


@given(SIZES, SHAPES)
def test_the_result_is_attention(sizes: dict[str, int], shape: tuple[int, int, float]):
    """Any sizes on any small array, ragged tiles included, give scaled softmax attention to 1e-12."""
    rows, columns, division = shape
    figures = {"2d.rows": rows, "2d.columns": columns, "1d.lanes": columns, "1d.operations.div": division}
    result = _run(sizes, {name: float(value) for name, value in figures.items()})

    assert result.error() < 1e-12


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("bf16, sums in float32", 2.0**-7),
        ("fp16, sums in float32", 2.0**-10),
        ("bf16 throughout", 2.0**-4),
        ("fp16 throughout", 2.0**-8),
    ],
)
def test_narrow_formats_err_by_a_few_last_places(name: str, most: float):
    """The error relative to float64 is a few times the format's last place (2^-9 for bf16, 2^-12 for fp16)."""
    figures = {"2d.rows": 16.0, "2d.columns": 16.0, "1d.lanes": 16.0}
    result = _run({"B": 1, "H": 1, "E": 64, "F": 64, "M": 256, "P": 32}, figures, name)

    assert 0 < result.relative_error() < most


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300))
def test_the_interval_is_the_longer_unit(E: int, F: int, rows: int):
    """An epoch is E + F + 10 cycles (products, maximum, RM, exponential, sum), or 2F + 10 where the lanes need more."""
    epoch = Epoch(E=E, F=F, rows=rows)

    assert max(E + F, 2 * F) + 10 == epoch.interval
    assert (epoch.lag - 1) * epoch.interval < rows - 1 <= epoch.lag * epoch.interval


def test_registers_of_the_published_machine():
    """On 256 rows a maximum takes two epochs to come back, so three scores wait beside what SLNV uses: 5 of 12 registers."""
    epoch = Epoch(E=64, F=64, rows=256)

    assert 5 == registers_needed(pe_values(epoch), epoch.interval)[0]


def test_too_few_registers_are_refused(golden: Callable[[str, str], None]):
    """More live values than registers: every one of them is listed."""
    with pytest.raises(FusemaxError) as error:
        _run({"B": 1, "H": 1, "E": 4, "F": 4, "M": 256, "P": 256}, {})
    golden("simulate/too-few-registers", str(error.value))


def test_another_binding_is_refused(golden: Callable[[str, str], None]):
    """A mapping that does other things on other arrays is refused with what is different."""
    machine, path = load_machine("flat")
    mapped = load_mapping("fused-1-pass", machine, path)
    with pytest.raises(FusemaxError) as error:
        simulate_array(mapped, machine, {"B": 1, "H": 1, "E": 4, "F": 4, "M": 8, "P": 8}, {})
    golden("simulate/other-binding", str(error.value))


def test_an_exponential_unit_has_no_polynomial():
    """A narrow format needs the seven-cycle exponential; another is refused, and float64 only waits for it."""
    sizes = {"B": 1, "H": 1, "E": 4, "F": 4, "M": 8, "P": 8}
    figures = TOY | {"2d.operations.sub_exp": 3.0}

    assert _run(sizes, figures).error() < 1e-12
    with pytest.raises(FusemaxError, match="one subtraction and six multiply-adds"):
        _run(sizes, figures, "bf16, sums in float32")


@settings(max_examples=10)
@given(st.sampled_from(list(FORMATS)))
def test_the_same_bytes_with_any_number_of_threads(name: str):
    """Eight runs on four threads give the bytes of one run alone."""
    sizes = {"B": 1, "H": 2, "E": 8, "F": 8, "M": 40, "P": 24}
    figures = {"2d.rows": 8.0, "2d.columns": 8.0, "1d.lanes": 8.0}
    alone = _run(sizes, figures, name).output.tobytes()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: _run(sizes, figures, name).output.tobytes(), range(8)))

    assert [alone] * 8 == together


def test_ports_and_bandwidth_are_waited_for():
    """A slower memory makes the arrays wait, and the cycles say so."""
    sizes = {"B": 1, "H": 2, "E": 8, "F": 8, "M": 40, "P": 24}
    figures = {"2d.rows": 8.0, "2d.columns": 8.0, "1d.lanes": 8.0}
    fast = _run(sizes, figures | {"DRAM.bandwidth": 1e30})
    slow = _run(sizes, figures | {"DRAM.bandwidth": 1e9})

    assert "waiting for DRAM" not in fast.parts
    assert slow.cycles - fast.cycles == slow.parts["waiting for DRAM"] + slow.parts["last stores"]
