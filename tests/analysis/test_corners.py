"""Passes over fibres that an end of a rank cuts, counted by hand; and stretches whose length is not known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.barriers import Corner
from fusemax.analysis.passes import analyse
from fusemax.analysis.spans import Span, View
from fusemax.cascade.build import cascade_from_text

HEAD = "title: t\nsource: our own\n"
COUNTS = [
    (
        "inputs: {R: [M, P], D: [M]}",
        "U[p] = R[M-1,p]*D[p]\n"
        "F[m] = R[m,p] :: max[p] | m >= p - 1, m <= p + 1\nB[m,p] = R[m,p] - F[m] | m >= p - 1, m <= p + 1",
        ("P", "R"), 2,
        "rows before the last one are read in the band alone: the maximum of the band, then what is less by it",
    ),
    (
        "inputs: {R: [M, P]}",
        "F[m] = R[m,p] :: sum[p] | m >= p - 1, m <= p + 1\nB[m,p] = R[m,p] - F[m] | m >= p - 1, m <= p + 1\n"
        "G[m] = B[m,p] :: sum[p] | m >= p - 1, m <= p + 1\nC[m,p] = B[m,p] - G[m] | m >= p - 1, m <= p + 1\n"
        "Z[m,p] = R[m,p] + R[m-1,p] | m <= p, m >= p - 1",
        ("P", "R"), 3,
        "at the last m all bands leave the last two p: two folds one after the other, and what is read after them",
    ),
    (
        "inputs: {R: [M, P]}",
        "F[m] = R[m,p]*R[m,p] :: sum[p] | m <= p\nS[0] = 0\nloop m:\n  S[m+1] = S[m] + F[m]\nZ[] = S[M]*2",
        ("M", "R"), 2,
        "at p = 1 there are m = 0 and 1: from m = 1 on, what runs holds the first and is read once both are there",
    ),
    (
        "inputs: {X: [M]}",
        "F[m] = X[m+u] :: max[u] | m + u < M\nG[] = F[m] :: max[m]\nB[m] = X[m] - G[]",
        ("M", "X"), 2,
        "the windows read all of X before their maximum is known",
    ),
    (
        "inputs: {X: [M], W: [U]}",
        "F[m] = X[m+2*u]*W[u] :: sum[u] | m + 2*u < M\nG[] = F[m] :: max[m]\nB[m] = X[m] - G[]",
        ("M", "X"), 2,
        "windows with a stride inside begin at each m: they read all of X before their maximum is known",
    ),
    (
        "inputs: {X: [M], W: [U]}",
        "S[] = X[m] :: sum[m]\nZ[m] = X[m] - S[]\nF[m] = Z[m+u]*W[u] :: sum[u] | m + u < M\n"
        "G[] = F[m] :: max[m]\nB[m] = Z[m] - G[]",
        ("M", "X"), 3,
        "the sum, then Z, all of which the windows need that make the maximum, then Z again",
    ),
    (
        "inputs: {X: [M], W: [U]}",
        "S[] = X[m] :: sum[m]\nZ[m] = X[m] - S[]\nF[m] = Z[m+u-1]*W[u] :: sum[u]\n"
        "G[] = F[m] :: max[m]\nB[m] = Z[m] - G[]",
        ("M", "X"), 3,
        "as before: the second place of each window is Z at its own m",
    ),
    (
        "inputs: {X: [M, E]}",
        "S[m,p] = X[m,e]*X[p,e] :: sum[e] | m + p >= M - 1\nG[p] = S[m,p] :: max[m]\n"
        "Z[p,e] = G[p]*X[m,e] :: sum[m] | m + p >= M - 1",
        ("E", "X"), 2,
        "each p has a score with the last m, whose row is read whole for it, and again for Z",
    ),
    (
        "inputs: {Y: [M]}",
        "R[M] = 0\nloop m:\n  R[m] = R[m+1] + Y[m]\nZ[m] = R[m+1] - R[0]\nS[0] = 0\nloop m:\n  S[m+1] = S[m] + Z[m]\n"
        "T[M] = 0\nloop m:\n  T[m] = T[m+1] + S[m]\nD[m] = Z[m] - T[0]\nC[p] = Y[m] :: sum[m] | m <= p",
        ("M", "Z"), 1,
        "the last Z is in the last S alone, which T does not read",
    ),
    (
        "inputs: {X: [M, E]}",
        "S[m,p] = X[m,e]*X[p,e] :: sum[e] | m <= p, m > 0\nG[p] = S[m,p] :: max[m] | m <= p, m > 0\n"
        "Z[p,e] = G[p]*X[m,e] :: sum[m] | m <= p, m > 0",
        ("M", "X"), 2,
        "nothing reads the first row, as m or as p; the last p needs all others for its maximum, then again",
    ),
    (
        "inputs: {X: [M, E]}",
        "S[m,p] = X[m,e]*X[p,e] :: sum[e]\nG[p] = S[m,p] :: max[m] | m <= p, m < 3\n"
        "Z[p,e] = G[p]*X[m,e] :: sum[m] | m <= p, m < 3",
        ("E", "X"), 2,
        "the maximum of the first p needs the score of the first row, all of its features, which Z reads again",
    ),
    (
        "inputs: {R: [M, P]}",
        "G[p] = R[m,p] :: max[m] | m <= p, m < 2\nF[p] = G[p]*2\nH[m,p] = R[m,p] - F[p] | m < 2",
        ("M", "R"), 2,
        "from p = 1 on both rows are below the maximum, and each is read again",
    ),
    (
        "inputs: {X: [P], Y: [M]}",
        "S[m,p] = X[p]*Y[m]\nG[p] = S[m,p] :: max[m] | m <= p, m > 0\nF[] = G[p] :: max[p]\nZ[p] = X[p]*F[]",
        ("P", "X"), 1,
        "no maximum needs the scores of the first p, so that S may read it after Z",
    ),
    (
        "inputs: {X: [P], Y: [M]}",
        "S[m,p] = X[p]*Y[m]\nG[p] = S[m,p] :: max[m] | m >= p, m + p < M\nF[] = G[p] :: max[p]\nZ[p] = X[p]*F[]",
        ("P", "X"), 1,
        "no m goes with the last p: no maximum needs its scores",
    ),
    (
        "inputs: {X: [P], Y: [M]}",
        "G[p] = X[p]*Y[m] :: max[m] | m <= p, m >= p - 1, m < 2\nF[] = G[p] :: max[p]\nZ[p] = X[p]*F[]",
        ("P", "X"), 1,
        "with m = 0 and 1 go the first three p alone",
    ),
    (
        "inputs: {X: [P], Y: [M]}",
        "S[m,p] = X[p]*Y[m] | p > 0, p < 2\nN[m,p] = S[m,p]*2 | p > 0, p < 2\nF[m] = N[m,p] :: max[p] | p > 0, p < 2\n"
        "Z[m,p] = N[m,p] - F[m] | p > 0, p < 2",
        ("P", "S"), 1,
        "there is one p: whatever follows it follows all of them",
    ),
    (
        "inputs: {G: [P], K: [M, E]}",
        "T[m,e] = G[p]*K[m,e] :: sum[p] | m != p\nF[e] = T[m,e] :: sum[m]\nB[m,e] = T[m,e] - F[e]\nZ[m,e] = K[m,e]*2",
        ("M", "K"), 2,
        "each m goes with some other p, so T carries all of K: its sum, then what is read after it",
    ),
    (
        "inputs: {X: [P], Y: [M]}",
        "B[m,p] = X[p]*Y[m] | m < p\nF[p] = B[m,p] :: max[m]\nG[] = F[p] :: max[p]\nC[p] = F[p] - G[]",
        ("P", "X"), 2,
        "nothing reads the first p, all others are carried by some m: the maximum of all, then each again",
    ),
    (
        "inputs: {R: [M, P], D: [M]}",
        "T[m1,m0] = D[m1*M0+m0]*2\nF[p] = R[m,p] :: max[m] | m >= p - 1, m <= p + 1\n"
        "B[m,p] = R[m,p] - F[p] | m >= p - 1, m <= p + 1\n"
        "G[p] = B[m1*M0+m0,p] :: sum[m1,m0] | m1*M0+m0 >= p - 1, m1*M0+m0 <= p + 1\n"
        "C[m,p] = B[m,p] - G[p] | m >= p - 1, m <= p + 1",
        ("M", "R"), 3,
        "maximum, sum, then what is left of each, in the band; another tensor has the rank in tiles",
    ),
    (
        "inputs: {D: [M], R: [M, P]}",
        "T[m,p] = where(eq(D[m],D[p]), R[m,p], 0) | m + p < M\nV[p] = T[m,p] :: any[m] | m <= p, m >= p - 1\nS[0] = 0\n"
        "loop m:\n  S[m+1] = S[m] + V[m]\nL[] = S[M]*2\nB[p] = D[p] - L[]",
        ("M", "D"), 1,
        "no m in the band meets the last p under m + p < M: the sum does not carry it",
    ),
    (
        "inputs: {R: [M, P]}",
        "S[0,0] = 0\nS[0,p+1] = 0\nS[m+1,0] = 0\nloop m:\n  loop p:\n    S[m+1,p+1] = R[m,p] + S[m,p+1] + S[m+1,p]\n"
        "L[] = S[M,P]*2\nB[m,p] = R[m,p] - L[]",
        ("M", "R"), 2,
        "the last corner of the recurrence needs the last column whole, before any of it is read again",
    ),
    (
        "inputs: {R: [M, P]}",
        "S[0,0] = 0\nS[0,p+1] = 0\nS[m+1,0] = 0\nloop m:\n  loop p:\n    S[m+1,p+1] = R[m,p] + S[m+1,p]\n"
        "L[] = S[M,P]*2\nB[m,p] = R[m,p] - L[]",
        ("M", "R"), 1,
        "each row runs by itself, and only the end of the last one is read: no column is whole",
    ),
    (
        "inputs: {X: [M]}",
        "S[M] = 0\nloop m:\n  S[m] = S[m+1] + X[m]\nZ[m] = S[p]*2 :: sum[p] | p <= m, p >= m - 1",
        ("M", "X"), 2,
        "the first sum from behind holds all of X, and Z at m = 0 reads nothing else",
    ),
    (
        "inputs: {X: [M]}",
        "S[M] = 0\nloop m:\n  S[m] = S[m+1] + X[m]\nZ[m] = S[p]*2 :: sum[p] | p >= m + 1, p <= m + 2",
        ("M", "X"), 1,
        "no window of Z has the first sum from behind",
    ),
    (
        "inputs: {Y: [M, E], Z: [P, E]}",
        "T[m,p,e] = Y[m,e]*Z[p,e] | m < p\nF[m,p] = T[m,p,e] :: max[e] | m < p\nB[m,p,e] = T[m,p,e] - F[m,p] | m < p",
        ("E", "T"), 2,
        "T is there for m before p alone, and each of its rows is read twice",
    ),
    (
        "inputs: {X: [M]}",
        "T[m] = X[m]*2\nU[0] = 0\nloop m:\n  U[m+1] = U[m] + T[m]\nV[M] = 0\nloop m:\n  V[m] = V[m+1] + T[m]\n"
        "Z[m] = U[m+1]*V[1]",
        ("M", "X"), 2,
        "each Z needs the first by the sum that runs up, and all others by the one that runs down",
    ),
    (
        "inputs: {X: [M]}",
        "T[m] = X[m]*2\nU[0] = 0\nloop m:\n  U[m+1] = U[m] + T[m]\nV[M] = 0\nloop m:\n  V[m] = V[m+1] + T[m]\n"
        "Z[m] = U[m+1]*V[2]",
        ("M", "X"), 1,
        "the first Z needs the first and the third, but not the second",
    ),
    (
        "inputs: {X: [M], Y: [M]}",
        "T[m] = X[m] + X[m-1]\nU[m] = Y[p]*T[m] :: sum[p] | p < m\nF[m] = T[p]*T[m] :: sum[p] | p >= m\n"
        "Z[m] = U[p]*F[m] :: sum[p] | p >= m",
        ("M", "X"), 2,
        "U has no first element, but T has each element twice: Z at m = 0 reads all once F[0] is there",
    ),
    (
        "inputs: {X: [M], Y: [M]}",
        "F[] = X[m] :: max[m] | m < 2\nB[m] = X[m] - F[] | m < 2\nZ[m] = X[m]*Y[m]",
        ("M", "X"), 1,
        "the first two are read twice, all of X by Z alone",
    ),
    (
        "inputs: {Y: [M]}",
        "S[0] = 0\nloop m:\n  S[m+1] = S[m] + Y[m]\nV[m] = Y[m]*S[m+1]\nD[M] = 0\nloop m:\n  D[m] = D[m+1] + V[m]\n"
        "U[0] = 0\nloop m:\n  U[m+1] = U[m] + D[m+1]\nZ[m] = V[m] - U[M]",
        ("M", "S"), 2,
        "U leaves the first of V out, so S[1] is read by V and Z alone",
    ),
    (
        "inputs: {R: [M, P]}",
        "F[p] = R[m,p] :: max[m] | m < 2\nB[m,p] = R[m,p] - F[p] | m < 2\nG[p] = B[m,p] :: sum[m]\nC[m,p] = B[m,p]/G[p]",
        ("M", "R"), 3,
        "of each row there are the first two alone: their maximum, what is less by it, its share in their sum",
    ),
    (
        "inputs: {R: [M, P], Y: [P, E]}",
        "F[m] = R[m,p]*Y[p,e] :: sum[p,e] | p >= M - 2\nB[m,p] = R[m,p] - F[m] | p >= M - 2",
        ("P", "R"), 2,
        "of each column there are the last two alone, read twice",
    ),
    (
        "inputs: {R: [M, P]}",
        "T[m,p] = R[m,p]*2 | m > 0\nF[m] = T[m,p] :: max[p] | m > 0\nB[m,p] = T[m,p] - F[m] | m > 0",
        ("P", "R"), 2,
        "each column but the first is carried, and read twice",
    ),
    (
        "inputs: {X: [M]}",
        "F[m] = X[m-u] :: max[u] | m >= u\nG[] = F[m] :: max[m]\nB[m] = X[m] - G[]",
        ("M", "X"), 2,
        "windows that end at each m read all of X before their maximum is known",
    ),
    (
        "inputs: {X: [M]}",
        "S[0] = 0\nloop m:\n  D[m] = S[m]*2\n  S[m+1] = S[m] + X[m]*D[m]\nZ[m] = D[p]*D[m] :: sum[p] | p <= m, p >= m - 1\n"
        "Y[m] = Z[M-1]*Z[m]",
        ("M", "D"), 1,
        "the last D is made of what came before it: the last step of S is needed by nothing",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "einsums", "query", "count", "why"), COUNTS)
def test_counts(inputs: str, einsums: str, query: tuple[str, str], count: int, why: str) -> None:
    """The bound is the count by hand."""
    rows = einsums.replace("\n", "\n  ")
    tie = "same: [[P, M]]\n" if re.search(r"\b[pP]\b", inputs + einsums) else ""
    cascade = cascade_from_text(f"{HEAD}{tie}{inputs}\neinsums: |\n  {rows}\n", "hand")

    assert count == analyse(cascade).passes(*query), why


def test_ranks_of_two_sizes_end_at_two_places():
    """With more keys than queries the last ones are in no sum, with more queries all are: one pass is sure, not two."""
    rows = "T[m] = X[m]*Y[p] :: sum[p] | p >= m\n  G[] = T[m] :: sum[m]\n  B[m] = T[m] - G[]\n  Z[m] = X[m]*2"
    head = "title: t\nsource: our own\ninputs: {X: [M], Y: [P]}\neinsums: |\n  "

    assert 1 == analyse(cascade_from_text(head + rows, "hand")).passes("M", "X")
    assert 2 == analyse(cascade_from_text("same: [[M, P]]\n" + head + rows, "hand")).passes("M", "X")


def test_chunks_leave_a_tile_of_the_rank():
    """A softmax inside each chunk takes three passes over the keys of a chunk, as over any others."""
    mask = "m1 == p1, m0 <= p0"
    rows = [
        "S[m1,m0,p1,p0] = X[m1*M0+m0,e]*X[p1*M0+p0,e] :: sum[e]",
        "G[p1,p0] = S[m1,m0,p1,p0] :: max[m1,m0]",
        "N[m1,m0,p1,p0] = S[m1,m0,p1,p0] - G[p1,p0]",
        "D[p1,p0] = N[m1,m0,p1,p0] :: sum[m1,m0]",
        "A[m1,m0,p1,p0] = N[m1,m0,p1,p0]/D[p1,p0]",
    ]
    head = "title: t\nsource: our own\nranks: {M: M1*M0, P: M, P1: M1, P0: M0}\ninputs: {X: [M, E]}\neinsums: |\n"
    cascade = cascade_from_text(head + "".join(f"  {row} | {mask}\n" for row in rows), "hand")

    assert 3 == analyse(cascade).passes("M", "S")


CORNERS = st.sampled_from(
    [
        Corner("start", 0),
        Corner("start", 1),
        Corner("start", 2),
        Corner("end", 0),
        Corner("end", -1),
        Corner("middle", 0),
    ]
)
COORDINATES = st.tuples(st.sampled_from([-1, 0, 1]), st.integers(-3, 3))


def numbers(view: View, coordinate: tuple[int, float], length: int, middle: int) -> float:
    """Return a coordinate as a number that grows in the direction of the view, in a rank of *length* coordinates."""
    if view.corner.side == "middle":
        return {-1: 0, 0: middle, 1: length - 1}[coordinate[0]] + coordinate[1]
    return {-1: 0, 0: 0, 1: length - 1}[coordinate[0]] + coordinate[1]


@given(CORNERS, COORDINATES, COORDINATES)
def test_what_comes_before_does_so_in_every_rank(corner, one, other):
    """Coordinates are ordered only where all ranks of three coordinates or more agree."""
    view = View(corner)
    if corner.side != "middle" and -1 in (one[0], other[0]):
        return  # there is nothing before an end
    said = view.before(one, other)
    places = [(length, middle) for length in range(3, 9) for middle in range(1, length - 1)]

    assert not said or all(numbers(view, one, *p) <= numbers(view, other, *p) for p in places)


@given(CORNERS, COORDINATES, COORDINATES, COORDINATES, COORDINATES, st.integers(-3, 3), st.integers(0, 3))
def test_links_hold_between_all_coordinates(corner, a, b, c, d, low, width):
    """A link is claimed only where it holds for each pair of coordinates that exist, in the direction of the rank."""
    view = View(corner)
    if corner.side != "middle" and -1 in (a[0], b[0], c[0], d[0]):
        return
    here, there = Span(a, b), Span(c, d)
    if not view.linked(here, there, low, low + width):
        return
    for length in range(3, 9):
        for middle in range(1, length - 1):
            ends = [int(numbers(view, x, length, middle)) for x in (a, b, c, d)]
            for x in range(max(0, ends[0]), min(length - 1, ends[1]) + 1):
                for y in range(max(0, ends[2]), min(length - 1, ends[3]) + 1):
                    apart = y - x if view.mirrored else x - y
                    assert low <= apart <= low + width
