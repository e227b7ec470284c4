"""The command line: what it prints, its exit codes, and that no mistake ends in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fusemax.cli.arguments import gathered, sizes_and_figures
from fusemax.errors import FusemaxError
from fusemax.shipped import shipped

POINT = ["--set", "B=64", "H=12", "M=4096", "P=4096", "E=64", "F=64"]
FUSEMAX = ["cost", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-c", "from fusemax.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cost_as_json() -> None:
    """One point of the published table: BERT at 4K under FuseMax's binding."""
    answer = json.loads(run(*FUSEMAX, "--json", *POINT).stdout)

    assert 0.02970035744680851 == answer["latency_s"]
    assert 1610612736 == answer["traffic_B"]
    assert 0.9647887323943661 == pytest.approx(answer["utilization"]["2d"])


def test_cost_for_people() -> None:
    """The table names latency, traffic and what limits."""
    text = run(*FUSEMAX, *POINT).stdout

    assert "29.7 ms" in text
    assert "1.5 GiB" in text
    assert "schedule" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*FUSEMAX, "--set", "M=0"), "--set M: a size is a whole number of at least 1, got '0'"),
        ((*FUSEMAX, "--set", "M=1.5"), "a whole number"),
        ((*FUSEMAX, "--set", "M"), "expected NAME=VALUE"),
        (
            (*FUSEMAX, "--set", "B=1"),
            "needs a size for E, F, H, M, P\n  hint: --set E=... F=... H=... M=... P=...",
        ),
        ((*FUSEMAX, *POINT, "Z=3"), "Z is no rank or size"),
        ((*FUSEMAX, *POINT, "L3.size=1KiB"), "L3 is too small"),
        ((*FUSEMAX, *POINT, "L7.size=1KiB"), "no such figure"),
        ((*FUSEMAX, *POINT, "M0=4"), "M0 cannot be set"),
        (("cost", "attention/1-pas", "--machine", "fusemax", "--mapping", "fusemax"), "did you mean"),
        (
            ("cost", "attention/3-pass", "--machine", "fusemax", "--mapping", "fusemax"),
            "this mapping is for cascade",
        ),
        (("run", "micro42"), "did you mean 'micro24'"),
        (("check", "no-such-file.yaml"), "cannot be read"),
        (("show", "no/such"), "no file called"),
    ],
)
def test_mistakes_are_answered_in_words(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 1, one message, no traceback."""
    result = run(*arguments)

    assert 1 == result.returncode
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_show_names_operations() -> None:
    """The operations of FlashAttention-2 as formulas."""
    text = run("show", "attention/1-pass").stdout

    assert "BQK  mac" in " ".join(text.replace("   ", "  ").split("  ")) or "mac" in text
    assert "E*M*P" in text
    assert "F*M*P" in text


def test_every_shipped_file_is_right() -> None:
    """``fusemax check`` says ok to everything that we ship."""
    paths = [str(path) for shelf in ("einsums", "arch", "studies") for path in shipped(shelf).values()]
    result = run("check", *paths)

    assert "" == result.stderr
    assert len(paths) == result.stdout.count(": ok")


def test_sizes_and_figures() -> None:
    """Sizes are whole numbers, figures SI values; every mistake is named."""
    assert ({"M": 4096}, {"L3.size": 2.0**24}) == sizes_and_figures(["M=4Ki", "L3.size=16MiB"])
    with pytest.raises(FusemaxError) as caught:
        sizes_and_figures(["M=x", "P=", "L3.size=big"])

    assert 3 == len(str(caught.value).splitlines())


def test_gathered() -> None:
    """Several values may follow one --set."""
    assert ["a", "--set", "M=1", "--set", "P=2"] == gathered(["a", "--set", "M=1", "P=2"])
    assert ["--set", "--json"] == gathered(["--set", "--json"])


def test_results_survive(tmp_path: Path) -> None:
    """A table is moved into place whole: a failing writer leaves the old one."""
    from fusemax.files import write_atomically

    target = tmp_path / "table.csv"
    write_atomically(target, lambda path: path.write_text("old"))
    with pytest.raises(ZeroDivisionError):
        write_atomically(target, lambda path: path.write_text(str(1 // 0)))

    assert "old" == target.read_text()
    assert [target] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["check", "show", "passes", "run", "model", "cost", "map", "reduce"])
def test_a_name_that_no_file_can_have(command: str) -> None:
    """Six thousand letters are told in a few lines."""
    done = run(command, "+".join(["P"] * 3000))

    assert 1 <= done.returncode <= 2
    assert "Traceback" not in done.stderr
    assert 20 < len(done.stderr) < 1500
