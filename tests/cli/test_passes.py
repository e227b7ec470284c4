"""``fusemax passes``: text for people, JSON for programs, answers to wrong questions."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.errors import FusemaxError


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


def test_missing_sizes_are_named():
    """Without the sizes the bound stays a formula, and the answer says what it needs."""
    assert "give B, E, F, H, M, P with --set" in ask("attention/3-pass", "--buffer=1MiB")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attention/3-pass", "--rank", "Z"], "has no rank 'Z'; there are: E, P, M, F"),
        (["attention/3-pass", "--tensor", "ZZ"], "has no tensor 'ZZ' with such a rank"),
        (["attention/3-pass", "--set", "E"], "expected NAME=VALUE such as --set E=64, got 'E'"),
        (["attention/4-pass"], "no file called 'attention/4-pass'"),
    ],
)
def test_wrong_questions(arguments, message):
    """A wrong question is answered with what there is."""
    with pytest.raises(FusemaxError) as caught:
        ask(*arguments)

    assert message in str(caught.value)
