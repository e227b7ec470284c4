"""What cascades can say beyond sums of products: its values against numpy, its passes, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from fusemax.analysis.passes import analyse
from fusemax.analysis.work import operations
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.ir import Cascade
from fusemax.cascade.write import cascade_to_yaml
from fusemax.errors import ProblemsError
from fusemax.machine.whole import load_machine
from fusemax.search.answer import best_mapping


def cascade_of(inputs: str, einsums: str, **keys: str) -> Cascade:
    """Return the cascade with these *inputs*, *einsums* and other keys, written and read again."""
    rows = [
        f"{key}: {value}" for key, value in {"title": "t", "source": "s", "inputs": inputs, **keys}.items()
    ]
    body = "\n".join(f"  {line}" for line in einsums.strip().split("\n"))
    cascade = cascade_from_text("\n".join([*rows, "einsums: |", body, ""]))
    assert str(cascade_from_text(cascade_to_yaml(cascade))) == str(cascade)
    return cascade


def run(
    cascade: Cascade, sizes: Mapping[str, int] | None = None, **inputs: np.ndarray
) -> Mapping[str, np.ndarray]:
    """Return the values of *cascade*."""
    return evaluate(cascade, inputs, sizes)


def mistake(inputs: str, einsums: str, **keys: str) -> str:
    """Return what is said of a cascade that means nothing."""
    with pytest.raises(ProblemsError) as caught:
        cascade_of(inputs, einsums, **keys)
    return str(caught.value)


RANDOM = np.random.default_rng(5)


def test_whole_division_and_remainder_in_indices() -> None:
    """Heads in groups share a key; positions take turns at a table."""
    q, k, table = RANDOM.normal(size=(6, 5)), RANDOM.normal(size=(3, 5)), RANDOM.normal(size=4)
    cascade = cascade_of("{Q: [H, M], K: [G, M], C: [N]}", "Y[h] = Q[h,m]*K[h//2,m]*C[m%N] :: sum[m]")
    result = run(cascade, Q=q, K=k, C=table)["Y"]
    expected = [sum(q[h, m] * k[h // 2, m] * table[m % 4] for m in range(5)) for h in range(6)]

    assert np.allclose(result, expected)
    assert "floor(h/2) of K is not affine" in analyse(cascade).no_claims[0].text


def test_halves_of_a_rank() -> None:
    """A rotary embedding of two halves; the norm before it needs two passes over E, part by part."""
    x, angle = RANDOM.normal(size=(6, 4)), RANDOM.normal(size=(3, 4))
    cascade = cascade_of(
        "{X: [E, M], C: [A, M]}",
        """
R[m] = X[e,m]*X[e,m] :: sum[e]
N[e,m] = X[e,m]*rsqrt(R[m])
L[a,m] = N[a,m]*cos(C[a,m]) - N[a+A,m]*sin(C[a,m])
H[a,m] = N[a+A,m]*cos(C[a,m]) + N[a,m]*sin(C[a,m])
""",
        ranks="{E: 2*A}",
    )
    result = run(cascade, X=x, C=angle)
    n = x / np.sqrt((x**2).sum(axis=0))

    assert np.allclose(result["L"], n[:3] * np.cos(angle) - n[3:] * np.sin(angle))
    assert np.allclose(result["H"], n[3:] * np.cos(angle) + n[:3] * np.sin(angle))
    assert 2 == analyse(cascade).passes("E", "X")
    assert 1 == analyse(cascade).passes("M")


def test_a_part_of_a_rank_is_no_pass_over_it() -> None:
    """Half of X is read twice: nothing needs the whole of it twice."""
    cascade = cascade_of(
        "{X: [E]}", "S[] = X[a] :: sum[a]\nY[a] = X[a]*S[]\nZ[] = X[e] :: sum[e]", ranks="{E: 2*A}"
    )

    assert 1 == analyse(cascade).passes("E", "X")


@pytest.mark.parametrize(
    ("inputs", "einsums", "said"),
    [
        ("{X: [M]}", "Y[m] = X[m/2]", "index 'm/2' is no whole number at every point"),
        ("{X: [M]}", "Y[m] = X[mod(m,2)/2]", "no whole number at every point"),
        (
            "{X: [M], W: [P]}",
            "V[p] = W[p]\nY[m] = X[m] | m <= p",
            "'p' of the condition m <= p is no variable of Y[m]",
        ),
        ("{X: [M], W: [P]}", "V[p] = W[p]\nY[] = X[m] :: sum[m] | p <= 3", "it runs over 'm'"),
        ("{X: [M]}", "Y[m] = X[m] % 0", "mod(X[m], 0) divides by zero"),
        ("{X: [M]}", "Y[m] = X[m] //", "expected a value"),
    ],
)
def test_refused(inputs: str, einsums: str, said: str) -> None:
    """What means nothing is refused with its reason."""
    assert said in mistake(inputs, einsums)


def test_conditions_on_data() -> None:
    """Lengths and labels: a point that the data leave out contributes what changes nothing."""
    x, length = RANDOM.normal(size=(2, 5)), np.array([3.0, 5.0])
    cascade = cascade_of(
        "{X: [B, M], LEN: [B]}",
        """
S[b] = X[b,m] :: sum[m] | m < LEN[b]
G[b] = X[b,m] :: max[m] | m < LEN[b], m >= 1
N[b] = X[b,m] :: min[m] | LEN[b] - 1 >= m
R[b] = X[b,m] :: prod[m] | m != LEN[b] - 2
T[b,j] = X[b,m] :: argmin[m -> j] | m < LEN[b]
U[b,j] = X[b,m] :: argmin[m -> j] | m >= 1
""",
        sizes="[J]",
    )
    result = run(cascade, {"J": 1}, X=x, LEN=length)
    rows = [x[b, : int(length[b])] for b in range(2)]

    assert np.allclose(result["S"], [row.sum() for row in rows])
    assert np.allclose(result["G"], [row[1:].max() for row in rows])
    assert np.allclose(result["N"], [row.min() for row in rows])
    assert np.allclose(result["R"], [np.delete(x[b], int(length[b]) - 2).prod() for b in range(2)])
    assert np.array_equal(result["T"][:, 0], [row.argmin() for row in rows])
    assert np.array_equal(result["U"][:, 0], 1 + x[:, 1:].argmin(axis=1))


def test_packed_documents() -> None:
    """Attention inside each document, by labels: three passes, and the values of each document by itself."""
    q, k, v = RANDOM.normal(size=(2, 6)), RANDOM.normal(size=(2, 6)), RANDOM.normal(size=(3, 6))
    label = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 2.0])
    cascade = cascade_of(
        "{Q: [E, P], K: [E, M], V: [F, M], DM: [M], DP: [P]}",
        """
QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
GM[p] = QK[m,p] :: max[m] | m <= p, DM[m] == DP[p]
SN[m,p] = exp(QK[m,p] - GM[p]) | m <= p, DM[m] == DP[p]
SD[p] = SN[m,p] :: sum[m] | m <= p, DM[m] == DP[p]
AV[f,p] = SN[m,p]*V[f,m]/SD[p] :: sum[m] | m <= p, DM[m] == DP[p]
""",
        same="[[M, P]]",
        outputs="[AV]",
    )
    result = run(cascade, Q=q, K=k, V=v, DM=label, DP=label)["AV"]
    for p in range(6):
        mine = [m for m in range(p + 1) if label[m] == label[p]]
        weights = np.exp(q[:, p] @ k[:, mine])
        assert np.allclose(result[:, p], v[:, mine] @ weights / weights.sum())
    assert 3 == analyse(cascade).passes("M", "K")


def test_scatter() -> None:
    """A histogram: several points meet at one place, others find none; the rank is named where the tensor is read."""
    x, bins = RANDOM.normal(size=7), np.array([0, 2, 2, 3, 0, 2, 9.0])
    written = cascade_of("{X: [N], I: [N]}", "Y[I[n]] = X[n] :: sum[n]\nZ[k] = 2*Y[k]", outputs="[Y, Z]")
    said = cascade_of("{X: [N], I: [N]}", "Y[k] = X[n] :: sum[n] | k == I[n]")
    expected = [x[bins == k].sum() for k in range(4)]

    assert np.allclose(run(written, {"K": 4}, X=x, I=bins)["Z"], 2 * np.array(expected))
    assert np.allclose(run(said, {"K": 4}, X=x, I=bins)["Y"], expected)
    assert str(written.einsum("Y")) == str(said.einsum("Y"))
    assert "Y0" in cascade_of("{X: [N], I: [N]}", "Y[I[n]] = X[n] :: max[n]").ranks
    assert "say how they are joined: ':: sum[...]'" in mistake("{X: [N], I: [N]}", "Y[I[n]] = X[n]")


def test_a_descending_loop() -> None:
    """Discounted returns, from the last step to the first; every one of them may be read afterwards."""
    reward = RANDOM.normal(size=6)
    cascade = cascade_of(
        "{X: [T]}",
        "S[T] = 0\nloop t:\n  S[t] = 0.5*S[t+1] + X[t]\nY[t] = S[t]*X[t]\nZ[] = S[0]",
        outputs="[Y, Z]",
    )
    result = run(cascade, X=reward)
    returns = [sum(0.5 ** (j - t) * reward[j] for j in range(t, 6)) for t in range(6)]

    assert np.allclose(result["Y"], np.array(returns) * reward)
    assert np.isclose(result["Z"], returns[0])
    assert 1 == analyse(cascade).passes("T", "X")


def test_a_loop_that_runs_down_costs_what_its_mirror_costs() -> None:
    """The same sum from the last step to the first: same cycles, same words, under the same mapping."""
    up = "S[0,p] = 0\nloop t:\n  S[t+1,p] = S[t,p] + X[t,p]\nY[p] = S[T,p]"
    down = "S[T,p] = 0\nloop t:\n  S[t,p] = S[t+1,p] + X[t,p]\nY[p] = S[0,p]"
    machine, _ = load_machine("fusemax")
    sizes = {"T": 64, "P": 256}
    answers = [
        best_mapping(cascade_of("{X: [T, P]}", text, outputs="[Y]"), machine, sizes, seconds=5.0).cost
        for text in (up, down)
    ]

    assert answers[0].latency_s == answers[1].latency_s
    assert answers[0].traffic_B == answers[1].traffic_B == 2 * (64 * 256 + 256)


def test_forward_and_backward_in_one_cascade() -> None:
    """Values that have seen everything before and after: what waits for the first value of the way back waits for all of X."""
    x = RANDOM.normal(size=5)
    cascade = cascade_of(
        "{X: [T]}",
        """
F[0] = 0
loop t:
  F[t+1] = F[t] + X[t]
B[T] = 0
loop t:
  B[t] = B[t+1] + X[t]
Y[t] = F[t+1]*B[t]
Z[t] = X[t]*B[0]
""",
        outputs="[Y, Z]",
    )
    result = run(cascade, X=x)

    assert np.allclose(result["Y"], np.cumsum(x) * np.cumsum(x[::-1])[::-1])
    assert 2 == analyse(cascade).passes("T", "X")


def test_a_recurrence_of_two_steps() -> None:
    """Fibonacci in the three ways in which it is written, and what is read of it afterwards."""
    ahead = (
        "S[0] = 0\nS[1] = 1\nloop t:\n  S[t+2] = S[t+1] + X[t]*S[t]\nY[] = S[T]\nZ[] = S[T+1]\nU[t] = S[t]"
    )
    behind = (
        "S[-1] = 0\nS[0] = 1\nloop t:\n  S[t+1] = S[t] + X[t]*S[t-1]\nY[] = S[T-1]\nZ[] = S[T]\nU[t] = S[t-1]"
    )
    plain = "S[-2] = 0\nS[-1] = 1\nloop t:\n  S[t] = S[t-1] + X[t]*S[t-2]\nY[] = S[T-2]\nZ[] = S[T-1]\nU[t] = S[t-2]"
    down = (
        "S[T+1] = 0\nS[T] = 1\nloop t:\n  S[t] = S[t+1] + X[t]*S[t+2]\nY[] = S[1]\nZ[] = S[0]\nU[t] = S[t+2]"
    )
    for text in (ahead, behind, plain, down):
        for count in (1, 2, 7):
            result = run(cascade_of("{X: [T]}", text, outputs="[Y, Z, U]"), X=np.ones(count))
            numbers = [0, 1, 1, 2, 3, 5, 8, 13, 21]
            assert (numbers[count], numbers[count + 1]) == (result["Y"], result["Z"])
            every = numbers[:count] if text != down else numbers[:count][::-1]
            assert every == list(result["U"])


def test_a_loop_inside_a_loop() -> None:
    """Dynamic time warping: each place waits for three neighbours; the last one has seen everything."""
    d = RANDOM.random(size=(4, 5))
    text = """
R[0,0] = 0
R[0,j+1] = inf
R[i+1,0] = inf
loop i:
  loop j:
    L[i,j] = min(R[i,j], R[i+1,j], R[i,j+1])
    R[i+1,j+1] = D[i,j] + L[i,j]
Y[i,j] = D[i,j]*R[I,J]
"""
    cascade = cascade_of("{D: [I, J]}", text, outputs="[Y]")
    table = np.full((5, 6), np.inf)
    table[0, 0] = 0
    for i in range(4):
        for j in range(5):
            table[i + 1, j + 1] = d[i, j] + min(table[i, j], table[i + 1, j], table[i, j + 1])

    assert np.allclose(run(cascade, D=d)["Y"], d * table[4, 5])
    assert "loop inside a loop (L): no mapping runs that yet" in str(cascade.unmappable())
    assert "as loss/soft-dtw-diagonals does" in str(cascade.unmappable())
    assert load_cascade("loss/soft-dtw-diagonals").unmappable() is None
    assert 2 == analyse(cascade).passes("I", "D")


@pytest.mark.parametrize(
    ("einsums", "said"),
    [
        (
            "S[0] = 0\nloop t:\n  S[t+1] = S[t] + S[t+2]",
            "S is read before and after the place at which it is written",
        ),
        ("S[0] = 0\nloop t:\n  S[t+2] = S[t+1] + S[t]", "starts with S[1] and S[0]: there is no S[1]"),
        ("S[0] = 0\nS[1] = 0\nloop t:\n  S[t+1] = S[t]", "S[1] is written by the loop, or never read"),
        ("S[0] = 0\nloop t:\n  S[t+1] = S[t-8] + X[t]", "is read 9 steps back; 8 are the most"),
        ("loop t:\n  S[t] = S[t+1] + X[t]", "these Einsums need each other: S (line 6) -> S (line 6)"),
        (
            "S[0] = 0\nR[T] = 0\nloop t:\n  S[t+1] = S[t]\n  R[t] = R[t+1]",
            "loop t runs up for S and down for R\n",
        ),
        ("S[0] = 0\nloop t:\n  loop t:\n    S[t+1] = S[t]", "a loop over 't' inside a loop over 't'"),
        ("S[0,0] = 0\nloop t:\n  loop u:\n    S[t+1,u+1] = S[t,u]\nR[0] = 0\nR[0] = 1", "R is written twice"),
        (
            "S[0,u+1] = 0\nloop t:\n  loop u:\n    S[t+1,u+1] = S[t,u]",
            "S is iterative over U and has no initial value",
        ),
        ("loop t:", "a loop without Einsums"),
    ],
)
def test_loops_that_mean_nothing(einsums: str, said: str) -> None:
    """Each mistake in a loop is told with its remedy."""
    assert said in mistake("{X: [T]}", f"{einsums}\nY[t] = X[t]")


BEST = "{best: {identity: [-inf, 0], join: ['max(a0, b0)', 'where(ge(a0, b0), a1, b1)']}}"


def test_reductions_of_ones_own() -> None:
    """The largest score and its key together; log-sum-exp as one reduction, masked and in tiles."""
    x = RANDOM.normal(size=(7, 3))
    text = "B[p], I[p] = parts(X[m,p], m) :: best[m]\nL[p] = X[m,p] :: logsumexp[m] | m <= p\nC[p] = X[m,p]*L[p] :: best2[m]"
    own = BEST[:-1] + ", best2: {identity: '-inf', join: 'max(a, b)'}}"
    cascade = cascade_of("{X: [M, P]}", text, outputs="[B, I, C]", reductions=own, same="[[M, P]]")
    square = x[:3]
    result = run(cascade, X=square)
    sums = [np.log(np.exp(square[: p + 1, p]).sum()) for p in range(3)]

    assert np.array_equal(result["I"], square.argmax(axis=0))
    assert np.array_equal(result["B"], square.max(axis=0))
    assert np.allclose(result["L"], sums)
    assert np.allclose(result["C"], (square * sums).max(axis=0))
    assert 2 == analyse(cascade).passes("M", "X")
    assert [operation.name for operation in operations(cascade, cascade.einsum("B"))] == [
        "max",
        "ge",
        "where",
    ]

    tiled = cascade_of("{X: [M]}", "L[m1] = X[m1*M0+m0] :: logsumexp[m0]\nY[] = L[m1] :: logsumexp[m1]")
    assert np.isclose(run(tiled, {"M0": 3}, X=x[:, 0])["Y"], np.log(np.exp(x[:, 0]).sum()))


@pytest.mark.parametrize(
    ("reductions", "einsums", "said"),
    [
        ("{r: {identity: 0, join: a - b}}", "Y[] = X[t] :: r[t]", "joined with its identity"),
        (
            "{r: {identity: 1, join: a + b}}",
            "Y[] = X[t] :: r[t]",
            "joined with its identity, -2.5 becomes -1.5",
        ),
        ("{r: {identity: 0, join: abs(a) + abs(b)}}", "Y[] = X[t] :: r[t]", "joined with its identity"),
        (
            "{r: {identity: '-inf', join: 'max(a,b) + log(1 + exp(-abs(a-b)))'}}",
            "Y[] = X[t] :: r[t]",
            "-inf becomes nan",
        ),
        (
            "{r: {identity: 0, join: a + c}}",
            "Y[] = X[t] :: r[t]",
            "'c' is no part of a value; there are: a, b",
        ),
        ("{r: {identity: 0, join: 'a + foo(b)'}}", "Y[] = X[t] :: r[t]", "unknown function 'foo'"),
        ("{sum: {identity: 0, join: a + b}}", "Y[] = X[t] :: sum[t]", "'sum' is a reduction of the language"),
        ("{r: {identity: [0, 1], join: a + b}}", "Y[] = X[t] :: r[t]", "2 parts of identity and 1 of join"),
        (BEST, "Y[] = X[t] :: best[t]", "best reduces 2 values together, got one"),
        (BEST, "Y[] = parts(X[t], t) :: best[t]", "best writes 2 tensors, got 1"),
        (BEST, "Y[], Z[] = parts(X[t], t, t) :: best[t]", "parts gives 3 values to best, which takes 2"),
        (BEST, "Y[], Z[] = parts(X[t], t) :: sum[t]", "parts gives 2 values to an Einsum, which takes 1"),
        (BEST, "Y[] = X[t] :: first[t]", "unknown reduction 'first'"),
        (BEST, "Y[t] = 2*parts(X[t], t)", "unknown function 'parts'"),
    ],
)
def test_reductions_that_are_none(reductions: str, einsums: str, said: str) -> None:
    """Laws that do not hold, names that mean nothing, parts that do not fit."""
    assert said in mistake("{X: [T]}", einsums, reductions=reductions)
