"""Prices on arrays are those of plain code, whichever way a function is called."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.cost.rows import compiled_rows, plain

ROWS = {
    "band_pairs": [(40, 7, 33, 5, -40, 0, 1), (64, 8, 64, 16, -5, 3, 1), (9, 2, 11, 4, 3, 12, -1)],
    "band_most": [(40, 7, 33, 5, -40, 0, 1), (64, 8, 64, 16, -5, 3, 1), (9, 2, 11, 4, 3, 12, -1)],
    "busiest_core": [
        (3, 4, 10, 1, 8, *[0] * 12),
        (2, 3, 10, 5, 1, *[0] * 12),
        (132, 500, 3, 9, 2, 1, 1, *[0] * 10),
    ],
    "cycle_ratio": [
        (3, 4, 2, 2, 2, 0, 1, 0, 1, 2, 0, 2, 0, 1, 1, 0, 2),
        (3, 4, 5, 1, 2, 0, 1, 0, 1, 2, 0, 2, 0, 1, 1, 0, 2),
    ],
    "dealt_tiles": [
        (0, 2, 3, 4, 40, 14, 7, 33, 15, 5, -40, 0, 1, 9, 8, 7, 6, 3, 2, 2, 1),
        (1, 5, 1, 3, 64, 16, 8, 64, 32, 16, -5, 3, 1, 4, 4, 4, 4, 1, 1, 1, 1),
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_many_rows_at_once_are_each_row_alone(name: str) -> None:
    """The compiled form for many rows gives the bits of the plain function."""
    rows = np.array(ROWS[name], dtype=np.float64)
    found = compiled_rows(name)(rows)

    assert found.tolist() == [list(np.atleast_1d(plain(name)(*row))) for row in rows.tolist()]
