"""What stands above the Einsums: a name that is none, said twice, or meant for nothing is refused with its place."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import cascade_from_text
from fusemax.errors import ProblemsError

BODY = "einsums: |\n  Z[m,n] = A[k,m]*B[k,n] :: sum[k]\n"


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ("batch: [D, D]", "4:12", "'D' stands twice"),
        ("batch: [d]", "4:9", "'d' is no name of a rank"),
        ("outputs: [Z, Z]", "4:14", "'Z' stands twice"),
        ("sizes: [W, W]", "4:12", "'W' stands twice"),
        ("ranks: {z: K}", "4:9", "'z' is no name of a rank"),
        ("ranks: {'K+1': K}", "4:9", "'K+1' is no name of a rank"),
        ("same: [[M]]", "4:8", "expected two ranks or more, each once"),
        ("same: [[M, M]]", "4:8", "expected two ranks or more, each once"),
        ("same: [[M, Q]]", "4:12", "'Q' is not the size of a rank of this cascade"),
        ("constants: {c: 1}", "4:13", "no Einsum reads this constant"),
        ("constants: {K: 1}", "4:13", "'K' is a rank of this cascade as well"),
        ("constants: {c: one}", "4:16", "expected a number, got 'one'"),
    ],
)
def test_head(line: str, place: str, said: str) -> None:
    """One mistake is told once, at its place, with no line of Einsums beside it."""
    head = "title: t\nsource: our own\ninputs: {A: [K, M], B: [K, N]}\n"
    with pytest.raises(ProblemsError) as caught:
        cascade_from_text(f"{head}{line}\n{BODY}", "c")
    told = [problem for problem in caught.value.problems if said in problem.text]
    assert len(caught.value.problems) == len(told) == 1
    assert str(told[0]).startswith(f"c.yaml:{place}: ")
    assert told[0].line_text is None


def test_rank_of_an_input() -> None:
    """A rank with a blank in its name cannot be given a size."""
    text = f"title: t\nsource: our own\ninputs: {{A: ['K ', M], B: [K, N]}}\nsame: [[K, 'K ']]\n{BODY}"
    with pytest.raises(ProblemsError, match=r"c\.yaml:3:14: inputs\.A\.0: 'K ' is no name of a rank"):
        cascade_from_text(text, "c")


def test_keys_below_the_einsums() -> None:
    """A key just below the Einsums is shown without a line of theirs."""
    with pytest.raises(ProblemsError) as caught:
        cascade_from_text(
            f"title: t\nsource: our own\ninputs: {{A: [K, M], B: [K, N]}}\n{BODY}batch: [K]\n", "c"
        )
    assert [problem.line_text for problem in caught.value.problems] == [None]


def test_index_of_a_fraction() -> None:
    """There is no element one and a half."""
    text = f"title: t\nsource: our own\ninputs: {{A: [K, M], B: [K, N]}}\n{BODY}".replace(
        "A[k,m]", "A[1.5,m]"
    )
    with pytest.raises(ProblemsError, match=r"c\.yaml:5:12: index '1\.5' is no whole number"):
        cascade_from_text(text, "c")
