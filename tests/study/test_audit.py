"""The audit: what it starts from is the published study, corrections do what they say, and mistakes are refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from fusemax.errors import FusemaxError
from fusemax.shipped import find
from fusemax.source import read_yaml
from fusemax.study.kinds.audit_file import AuditFile
from fusemax.study.kinds.audit_plan import plan
from fusemax.study.plan.corrections import steps_of
from fusemax.typed import typed
from tests.study.engine import run_file

SMALL = """
kind: audit
title: small
source: none
base: micro24
part: attention
ours: +Binding
against: [FLAT]
start: as published
corrections:
- {name: registers, title: registers, doc: all of them, registers: true}
- name: search
  title: search
  doc: FLAT chooses
  search:
    FLAT:
      by: [latency_s, traffic_B]
      best_of:
      - {mapping: output-stationary, tiles: {P1: ceil(P/2d.columns)}}
      - {mapping: weight-stationary, tiles: {P1: ceil(P/2d.columns)}}
- name: port
  title: one port
  doc: one line per cycle
  machines: {fusemax: {levels.L3.ports: 1}}
together: [search]
lengths: [1Ki]
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small audit that was run."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "small.yaml").write_text(SMALL)
    return run_file(folder / "small.yaml", folder / "out")


def _column(
    folder: Path, path: str, step: str, configuration: str, column: str, most: int = 2**20
) -> list[float]:
    rows = pl.read_csv(folder / "results.csv", infer_schema_length=None).filter(
        (pl.col("path") == path)
        & (pl.col("step") == step)
        & (pl.col("configuration") == configuration)
        & (pl.col("seq_len") <= most)
    )
    return rows.sort("model", "seq_len")[column].to_list()


def test_the_start_is_the_published_study(small: Path):
    """Before any correction every latency is the published one; energies too, up to 16K, but for the one register file."""
    for configuration in ("FLAT", "+Binding"):
        published = _column(small, "published", "published", configuration, "latency_s")
        assert published == pytest.approx(
            _column(small, "start", "start", configuration, "latency_s"), rel=1e-9
        )
        energies = _column(small, "published", "published", configuration, "energy_J", 2**14)
        assert energies == pytest.approx(
            _column(small, "start", "start", configuration, "energy_J", 2**14), rel=5e-3
        )


def test_published_averages(small: Path):
    """6.7 times as fast and 79% of the energy: FuseMax (MICRO 2024), abstract, means over 24 rows."""
    ratios = pl.read_csv(small / "ratios.csv").filter(pl.col("path") == "published")

    assert 24 == ratios.height
    assert ratios["speed_up"].mean() == pytest.approx(6.7, abs=0.05)
    assert ratios["energy_ratio"].mean() == pytest.approx(0.79, abs=0.005)


def test_registers_cost_energy_and_no_time(small: Path):
    """Charging every register file raises the energy of every row and leaves its latency."""
    for configuration in ("FLAT", "+Binding"):
        before = _column(small, "start", "start", configuration, "energy_J")
        after = _column(small, "alone", "registers", configuration, "energy_J")

        assert all(b < a for b, a in zip(before, after, strict=True))
        assert _column(small, "start", "start", configuration, "latency_s") == _column(
            small, "alone", "registers", configuration, "latency_s"
        )


def test_the_search_finds_no_less_than_was_published(small: Path):
    """FLAT's own choice is among those searched, and from 256K on larger blocks gain 2.8% (E = 64) or more."""
    before = _column(small, "start", "start", "FLAT", "latency_s")
    after = _column(small, "alone", "search", "FLAT", "latency_s")

    assert all(a <= b * (1 + 1e-9) for a, b in zip(after, before, strict=True))
    assert all(b / a > 1.028 for a, b in zip(after[4:6], before[4:6], strict=True))


def test_one_port_holds_the_arrays(small: Path):
    """5E lines per tile through one port (325 with E = 64) take 2.35 times the 138 cycles of the arrays."""
    slower = (
        _column(small, "alone", "port", "+Binding", "latency_s")[5]
        / _column(small, "start", "start", "+Binding", "latency_s")[5]
    )

    assert slower == pytest.approx(2.35, abs=0.03)


def test_the_report_says_what_remains(small: Path):
    """The report holds the published averages and those of every step."""
    text = (small / "audit.md").read_text()

    assert "a speed-up of 6.72 and 78.7% of the energy" in text
    assert (small / "audit-speed-up.png").stat().st_size > 10_000


def test_steps_come_in_order():
    """The shipped audit: the start, each correction alone, then one on top of another, then the ends."""
    audit = typed(read_yaml(find("studies", "audit")), AuditFile)
    steps = steps_of(audit)

    assert [c.name for c in audit.corrections] == [step.name for step in steps if step.path == "alone"]
    assert [*range(1, len(audit.together) + 1)] == [len(s.corrections) for s in steps if s.path == "together"]
    assert all(len(s.corrections) == len(audit.together) + 1 for s in steps if s.path == "end")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "together: [search]",
            "together: [sarch]",
            "25:12: together.0: no correction is called 'sarch'\n  hint: did you mean 'search'",
        ),
        ("part: attention", "part: atention", "study micro24 has no part 'atention'"),
        ("ours: +Binding", "ours: Binding", "attention has no configuration 'Binding'"),
        ("- name: search", "- name: registers", "two corrections are called 'registers'"),
        ("[search]", "[search, search]", "'search' is made already"),
        ("lengths: [1Ki]", "lengths: [3Ki]", "no point has the length 3072"),
        ("against: [FLAT]", "against: [FLAT, FLAT]", "'FLAT' stands here twice"),
    ],
)
def test_mistakes_are_refused(tmp_path: Path, old: str, new: str, message: str):
    """A name that does not exist is refused with those that do."""
    path = tmp_path / "wrong.yaml"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(FusemaxError, match=message):
        plan(read_yaml(path), {})


@pytest.mark.slow
def test_the_shipped_audit_is_the_same_each_time(tmp_path: Path):
    """Two runs leave the same bytes."""
    for name in ("one", "two"):
        run_file(find("studies", "audit"), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_an_audit_without_energies_has_dashes(tmp_path: Path) -> None:
    """What is not published, or not known of a machine, is told as missing, whatever the order of corrections."""
    text = find("studies", "micro24").read_text()
    lines = (find("studies", "micro24").parent / "micro24/published.csv").read_text().splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("table,") or "quantity" in line)
    kept = [line for n, line in enumerate(lines) if n <= head or "energy_J" not in line]
    (tmp_path / "published.csv").write_text("\n".join(kept) + "\n")
    (tmp_path / "base.yaml").write_text(text.replace("micro24/published.csv", "published.csv"))
    (tmp_path / "own.yaml").write_text(
        SMALL.replace("base: micro24", "base: base.yaml").replace("together: [search]\n", "ends: [port]\n")
    )
    folder = run_file(tmp_path / "own.yaml", tmp_path / "out")

    said = (folder / "audit.md").read_text()
    assert "are a speed-up of 6.72 and – of the energy" in said
    assert " together " not in said.split("## Against")[0]
