"""The newer cascades of the library compute what their sources say."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.sizes import resolve_sizes
from tests.cascade.mechanism_cases import CASES, Case
from tests.cascade.references import Array

BATCH = {"B": 2, "H": 2}


def inputs_of(name: str, case: Case, seed: int) -> dict[str, Array]:
    """Return random inputs with the batch axes first, made to fit by the case."""
    cascade = load_cascade(name)
    known = resolve_sizes(cascade, {**{rank: BATCH[rank] for rank in cascade.batch}, **case.sizes})
    random = np.random.default_rng(seed)
    wide = cascade.batched()
    values = {
        tensor: random.standard_normal([known[rank] for rank in wide.tensors[tensor].ranks])
        for tensor in cascade.inputs
    }
    case.fit(values, case.sizes)
    return values


@pytest.mark.parametrize("name", sorted(CASES))
def test_values(name: str) -> None:
    """The outputs equal an independently written numpy formula in float64, element of the batch by element."""
    case = CASES[name]
    cascade = load_cascade(name)
    values = inputs_of(name, case, seed=1)
    wanted = {size: n for size, n in case.sizes.items() if size in cascade.size_symbols()}
    found = evaluate(cascade, values, wanted)
    for at in np.ndindex(*next(iter(values.values())).shape[: len(cascade.batch)]):
        expected = case.reference({key: value[at] for key, value in values.items()}, case.sizes)
        assert set(cascade.outputs) == set(expected)
        for output, want in expected.items():
            known = ~np.isnan(want)  # places of a last chunk beyond the end are not there
            np.testing.assert_allclose(
                found[output][at][known], want[known], rtol=1e-9, atol=1e-11, err_msg=output
            )
