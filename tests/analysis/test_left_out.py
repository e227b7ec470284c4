"""Elements that a condition left out count as 0 for who reads them: where that is folded, it is said."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from fusemax.analysis.left_out import with_conditions_of_makers, zeros_folded
from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.evaluate import evaluate
from fusemax.cli import build

ATTENTION = """title: attention with the mask on the scores and on the exponentials alone
source: our own
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
same: [[P, M]]
outputs: [D, R]
einsums: |
  S[m,p] = Q[e,p]*K[e,m] :: sum[e] | m <= p
  X[p]   = S[m,p] :: max[m]MASK
  N[m,p] = exp(S[m,p] - X[p]) | p >= m
  D[p]   = N[m,p] :: sum[m]
  R[f,p] = N[m,p]*V[f,m] :: sum[m]
"""


def rows(*einsums: str) -> str:
    """Return a cascade of X over one sequence with these Einsums."""
    head = "title: t\nsource: our own\nsame: [[P, M]]\ninputs: {X: [M]}\neinsums: |\n"
    return head + "".join(f"  {einsum}\n" for einsum in einsums)


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ("G[p] = S[m,p] :: max[m]", True),
        ("G[p] = S[m,p] :: max[m] | p >= m", False),
        ("G[p] = exp(S[m,p]) :: sum[m]", True),
        ("G[p] = S[m,p]*X[m] :: sum[m]", False),
        ("G[p] = relu(S[m,p])**2/2 :: sum[m]", False),
        ("G[p] = where(le(m, p), S[m,p], -inf) :: max[m]", False),
        ("G[p] = S[m,p] :: prod[m]", True),
        ("G[m] = S[m,p] :: max[p]", True),
        ("G[m,p] = S[m,p] + 1", False),
    ],
)
def test_zeros_that_are_folded_are_said(reader, said):
    """A zero is neutral in a sum of products, not in a maximum, a product or under an exponential."""
    found = zeros_folded(cascade_from_text(rows("S[m,p] = X[m]*X[p] | m <= p", reader), "t"))

    assert said == bool(found)
    if said:
        assert "write | m <= p on G as well" in str(found[0])


def test_sums_take_the_conditions_of_what_they_sum():
    """Under them the values are the same, and one loop holds everything."""
    cascade = cascade_from_text(ATTENTION.replace("MASK", ""), "t")
    under = with_conditions_of_makers(cascade)
    random = np.random.default_rng(1)
    inputs = {
        "Q": random.normal(size=(3, 7)),
        "K": random.normal(size=(3, 7)),
        "V": random.normal(size=(2, 7)),
    }

    assert [0, 0, 1, 1, 1] != [len(e.conditions) for e in cascade.einsums]
    assert [1, 0, 1, 1, 1] == [len(e.conditions) for e in under.einsums]
    for name in ("D", "R"):
        np.testing.assert_allclose(
            evaluate(cascade, inputs, {})[name], evaluate(under, inputs, {})[name], rtol=1e-15
        )
    assert 1 == search(cascade, "M").forms[0].passes


def test_check_and_passes_say_it(tmp_path):
    """Each says what is folded and what to write; with the mask on the maximum neither says anything."""
    for mask, said in (("", True), (" | m <= p", False)):
        file = tmp_path / "a.yaml"
        file.write_text(ATTENTION.replace("MASK", mask))
        for command in ("check", "passes"):
            shown = CliRunner().invoke(build(), [command, str(file)])
            assert 0 == shown.exit_code
            assert said == ("note: X (line 8) folds S[m,p] also where S has no element" in shown.output)


def test_conditions_with_offsets_of_sizes_are_no_news_where_nothing_is_lost():
    """The same mask on all Einsums: three passes, and no line says that something is not claimed."""
    mask = " | m <= p + M - P, m > p + M - P - W"
    text = ATTENTION.replace("MASK", mask).replace("same: [[P, M]]", "sizes: [W]")
    text = text.replace(" | m <= p\n", mask + "\n").replace(" | p >= m", mask)
    text = text.replace(":: sum[m]\n", ":: sum[m]" + mask + "\n").replace(" as well", "")
    found = analyse(cascade_from_text(text, "t"))

    assert 2 == found.passes("M", "S")
    assert () == found.no_claims


def test_folds_inside_a_loop_are_named():
    """A loop that is there stays as it is; the refusal names what folds the rank in it."""
    text = (
        "title: t\nsource: our own\ninputs: {K: [E, T], V: [E, T]}\noutputs: [S]\neinsums: |\n  S[0,e] = 0\n  loop t:\n"
        "    D[t] = S[t,e]*K[e,t] :: sum[e]\n    S[t+1,e] = S[t,e] + V[e,t]*D[t]\n"
    )
    found = search(cascade_from_text(text, "t"), "E")

    assert "D: each step of the loop over t folds E for it anew" in found.why_not(1)
