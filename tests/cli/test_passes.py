"""``fusemax passes``: text for people, JSON for programs, answers to wrong questions."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.errors import FusemaxError

BOUND = ["attention/3-pass", "--buffer=1MiB"]


def ask(*arguments: str) -> str:
    """Run the command and return what it prints."""
    result = CliRunner().invoke(build(), ["passes", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_json():
    """Programs get counts, reasons and formulas."""
    found = json.loads(ask("attention/3-pass", "--rank", "M", "--tile", "P=P0", "--json"))
    (rank,) = found["ranks"]
    tensors = {entry["tensor"]: entry for entry in rank["tensors"]}

    assert (3, 3, ["QK", "SN"]) == (rank["passes"], rank["sweeps"], rank["crossing"])
    assert {"kind": "crossing", "words": "M*P0"} == tensors["QK"]["live"]
    assert 2 == len(tensors["QK"]["why"])


def test_traffic_in_bytes():
    """Compulsory: Q, K, V, AV once; each later pass: M*min(E, P0) words less what fits."""
    sizes = [f"--set={name}" for name in ("B=2", "H=3", "E=4", "F=5", "M=1000", "P=100", "P0=8")]
    found = json.loads(ask("attention/3-pass", "--rank=M", "--tile=P=P0", "--buffer=1000B", *sizes, "--json"))
    words = 4 * 1000 + 4 * 100 + 5 * 1000 + 5 * 100 + 2 * (1000 * 4 - 500)

    assert 2 * 3 * words * 2 == found["traffic_bound"]["traffic_B"]


def test_a_tile_may_be_a_number():
    """A number stands for a named tile of that size."""
    sizes = [f"--set={name}" for name in ("B=2", "H=3", "E=4", "F=5", "M=1000", "P=100")]
    question = ("attention/3-pass", "--rank=M", "--buffer=1000B", "--json", *sizes)
    number = json.loads(ask(*question, "--tile=P=8"))["traffic_bound"]["traffic_B"]

    assert number == json.loads(ask(*question, "--tile=P=P0", "--set=P0=8"))["traffic_bound"]["traffic_B"]


def test_missing_sizes_are_named():
    """Without the sizes the bound stays a formula, and the answer says what it needs."""
    assert "give B, E, F, H, M, P with --set" in ask("attention/3-pass", "--buffer=1MiB")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attention/3-pass", "--rank", "Z"], "has no rank 'Z'; there are: E, P, M, F"),
        (["attention/3-pass", "--tensor", "ZZ"], "has no tensor 'ZZ' with such a rank"),
        (
            ["attention/3-pass", "--buffer=1MiB", "--set", "E"],
            "expected NAME=VALUE such as --set E=64, got 'E'",
        ),
        ([*BOUND, "--tile=P=("], "--tile P: expected a whole number of at least 1 such as 64 or a name"),
        ([*BOUND, "--tile=P=-3"], "--tile P: expected a whole number of at least 1"),
        ([*BOUND, "--tile=Q=4"], "--tile Q: the cascade has no 'Q'; there are: B, H, "),
        ([*BOUND, "--tile=P=4", "--tile=P=8"], "--tile P: given twice"),
        ([*BOUND, "--tile=P=S"], "S is the size of the fast memory"),
        (["attention/3-pass", "--tile=P=4"], "--tile changes nothing here"),
        (["attention/3-pass", "--buffer=-16MiB"], "--buffer: expected more than zero bytes"),
        (["attention/3-pass", "--buffer=0B"], "--buffer: expected more than zero bytes"),
        (["attention/3-pass", "--buffer=16"], "--buffer: expected a unit, as in '16 MiB'"),
        (["attention/3-pass", "--buffer=big"], "--buffer: expected a quantity in B"),
        ([*BOUND, "--set=E=0"], "--set E: expected a whole number of at least 1"),
        ([*BOUND, "--set=H=-1"], "--set H: expected a whole number of at least 1"),
        ([*BOUND, "--set=Z=4"], "--set Z: the cascade has no 'Z'"),
        ([*BOUND, "--set=E=4", "--set=E=8"], "--set E: given twice"),
        (["attention/3-pass", "--set=E=4"], "--set has nothing to give sizes to"),
        (["attention/4-pass"], "no file called 'attention/4-pass'"),
    ],
)
def test_wrong_questions(arguments, message):
    """A wrong question is answered with what there is."""
    with pytest.raises(FusemaxError) as caught:
        ask(*arguments)

    assert message in str(caught.value)


def test_one_sequence_under_two_names_is_counted_once(tmp_path):
    """Queries and keys of one X: one row with one answer, and the fibre that the chain of a causal mask holds for."""
    text = """title: t
source: s
inputs: {X: [E, M]}
outputs: [AV]
same: [[M, P]]
einsums: |
  QK[m,p] = X[e,m]*X[e,p] :: sum[e]
  GM[p] = QK[m,p] :: max[m] | m <= p
  SN[m,p] = exp(QK[m,p] - GM[p]) | m <= p
  AV[e,p] = SN[m,p]*X[e,m] :: sum[m] | m <= p
"""
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    printed = ask(str(path))

    assert "M = P" in printed
    assert 1 == printed.count("why ", printed.index("why 2 passes over M"))
    assert "at the last p" in printed
