"""Live footprints and traffic bounds against formulas worked out by hand."""

from __future__ import annotations

import pytest
import sympy

from fusemax.analysis.footprint import footprints, symbol
from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import traffic_bound
from fusemax.cascade.build import cascade_from_text, load_cascade

#: cascade, rank, tensor, kind, words with P0 queries together
LIVE = [
    ("attention/3-pass", "M", "QK", "crossing", "P0*M"),
    ("attention/3-pass", "M", "SN", "crossing", "P0*M"),
    ("attention/3-pass", "M", "GM", "result", "P0"),
    ("attention/3-pass", "M", "AV", "result", "F*P0"),
    ("attention/3-pass", "M", "V", "tile", "F"),
    ("attention/2-pass", "M", "SLN", "crossing", "P0*M"),
    ("attention/1-pass", "M", "Q", "result", "E*P0"),
    ("attention/1-pass", "M", "RNV", "state", "F*P0"),
    ("attention/1-pass", "M", "BQK", "inner", "M0*P0"),
    ("attention/split-k", "M1", "SLNV", "crossing", "F*M1*P0"),
    ("state-space/mamba", "T", "H", "state", "D*N"),
    ("transformer/self-attention-causal", "S", "K", "prefix", "E*S"),
    ("softmax/stable", "M", "I", "read again", "M*P0"),
]


@pytest.mark.parametrize(("name", "rank", "tensor", "kind", "words"), LIVE)
def test_live(name, rank, tensor, kind, words):
    """Why a tensor is live, and how much of it."""
    found = {f.tensor: f for f in footprints(analyse(load_cascade(name)), rank, {"P": "P0"})}
    names = {letter: symbol(letter) for letter in ("E", "F", "M", "M0", "M1", "P0", "D", "N", "S")}

    assert kind == found[tensor].kind
    assert 0 == sympy.simplify(found[tensor].words - sympy.sympify(words, names))


def test_a_running_value_that_is_read_again_is_kept_whole():
    """What a scan gave at each step, and a later pass reads at each step, is no single generation."""
    text = (
        "title: t\nsource: t\ninputs: {X: [T]}\noutputs: [Y]\neinsums: |\n  A[T] = 0\n  loop t:\n    A[t] = A[t+1] + X[t]\n"
        "  M[] = A[t] :: max[t]\n  Y[t] = A[t]/M[]\n"
    )
    found = {f.tensor: f for f in footprints(analyse(cascade_from_text(text, "t")), "T")}

    assert ("crossing", symbol("T")) == (found["A"].kind, found["A"].words)


def test_one_pass_keeps_nothing_that_grows_with_the_keys():
    """In one pass no footprint depends on M: the paper's claim, section III."""
    found = footprints(analyse(load_cascade("attention/1-pass")), "M", {"P": "P0"})

    assert not any(symbol("M") in f.words.free_symbols for f in found)


@pytest.mark.parametrize(("name", "again"), [("3-pass", 2), ("3-pass-deferred", 1), ("1-pass", 0)])
def test_traffic(name, again):
    """Three passes load M*min(E, P0) words twice again, two passes once, one never; less what stays."""
    found = traffic_bound(analyse(load_cascade(f"attention/{name}")), "M", {"P": "P0"})
    sizes = {"E": 8, "F": 4, "M": 100, "P": 32, "P0": 16, "S": 300}
    words = found.words.subs({s: sizes[s.name] for s in found.words.free_symbols})

    assert 8 * 32 + 8 * 100 + 4 * 100 + 4 * 32 + again * (100 * 8 - 300) == words
