"""Studies of whole models: rows that add up, what does not fit, machines without mappings, and mistakes with their places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fusemax as fm
from fusemax.errors import ProblemsError
from fusemax.model.config import load_model
from fusemax.model.price import FOUND, Prices, Widths
from fusemax.model.step import Pass
from fusemax.model.steps import steps_of

TINY = {
    "model_type": "llama", "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 512, "num_hidden_layers": 2,
    "vocab_size": 1000,
}  # fmt: skip
STUDY = """\
kind: models
title: two models
source: our own
models: {tiny: tiny, large: large}
systems:
  H100: {machine: h100}
  two: {system: 8xh100, chips: 2}
phases:
- {phase: prefill, B: [1, 2], length: [128, 256]}
- {phase: decode, B: [4], length: [256]}
figures:
- {file: prompt, kind: lines, x: seq_len, y: latency_s, series: system, panels: [model], where: {phase: prefill, B: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of a small model, and of one that fits on no chip."""
    large = {
        **TINY,
        "hidden_size": 65536,
        "num_attention_heads": 512,
        "intermediate_size": 2**18,
        "num_hidden_layers": 100,
    }
    for name, config in (("tiny", TINY), ("large", large)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


def test_rows_add_up_and_what_does_not_fit_is_a_row(folder: Path) -> None:
    """Two models on two systems at five points; shares of the work add up to the pass."""
    found = fm.run(folder / "study.yaml", out=folder / "out")
    results, parts = found.table().to_polars(), found.table("breakdown").to_polars()

    assert 2 * 2 * 5 == results.height
    large = results.filter(results["model"] == "large")
    assert large["fits"].to_list() == [False] * 10
    assert all("does not fit" in reason for reason in large["reason"])
    assert large["latency_s"].null_count() == 10
    tiny = results.filter(results["model"] == "tiny")
    keys = ["model", "system", "phase", "B", "seq_len"]
    sums = parts.group_by(keys).agg(__import__("polars").col("time_s", "share").sum())
    joined = tiny.join(sums, on=keys)
    assert joined.height == 10
    assert joined["time_s"].to_list() == pytest.approx(joined["latency_s"].to_list())
    assert joined["share"].to_list() == pytest.approx([1.0] * 10)
    tokens = [row["B"] * (row["seq_len"] if row["phase"] == "prefill" else 1) for row in tiny.to_dicts()]
    assert tiny["tokens_per_s"].to_list() == pytest.approx(
        [n / t for n, t in zip(tokens, tiny["latency_s"], strict=True)]
    )
    assert (folder / "out" / "prompt.svg").is_file()
    assert (folder / "out" / "report.html").is_file()


def test_engines_and_hosts_of_a_framework(folder: Path) -> None:
    """What a framework's host takes before each pass is in each time; a library that is asked for makes small sums slower."""
    path = folder / "study.yaml"
    more = "{machine: h100}\n  host: {machine: h100, host: {pass: 3 ms}}\n"
    more += "  nccl: {system: 8xh100, chips: 2, engine: {library: nccl}}"
    path.write_text(
        STUDY.replace("{machine: h100}", more).replace("tiny: tiny, large: large", "tiny: tiny"),
        encoding="utf-8",
    )
    rows = fm.run(path, out=folder / "out").table().to_polars().to_dicts()
    times = {(row["system"], row["phase"], row["B"], row["seq_len"]): row["latency_s"] for row in rows}
    for (system, *point), time_s in times.items():
        if system == "host":
            assert time_s == pytest.approx(times["H100", *point] + 3e-3)
        if system == "nccl" and point[0] == "decode":
            assert time_s > times["two", *point]


def test_the_source_of_an_encoder(folder: Path) -> None:
    """Models with an encoder have read a source; a phase of decoding that does not say how much is refused with its line."""
    path = folder / "study.yaml"
    (folder / "tiny" / "config.json").write_text(
        '{"model_type": "t5", "d_model": 256, "d_kv": 64, "num_heads": 4, "d_ff": 512, "num_layers": 2, "vocab_size": 1000}',
        encoding="utf-8",
    )
    text = STUDY.replace("tiny: tiny, large: large", "tiny: tiny")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        ProblemsError, match=r"study.yaml:10:\d+: phases.1: a model with an encoder has read tokens"
    ):
        fm.run(path, out=folder / "out")
    path.write_text(text.replace("length: [256]", "length: [256], source: 512"), encoding="utf-8")
    rows = fm.run(path, out=folder / "out").table().to_polars().to_dicts()
    kept = {(row["system"], row["phase"], row["B"], row["seq_len"]): row["cache_B"] for row in rows}
    assert kept["H100", "decode", 4, 256] == 2 * 4 * 2 * (256 + 512) * 2 * 256
    assert kept["H100", "prefill", 2, 128] == 2 * 2 * 2 * (1 + 128) * 2 * 256
    assert all(row["latency_s"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (("machine: h100", "machine: h1000"), "6:", "h1000"),
        (("tiny: tiny,", "tiny: tinny,"), "4:", "tinny"),
        (("chips: 2", "chips: 9"), "7:", "has 8"),
        (("{machine: h100}", "{machine: h100, chips: 2}"), "6:", "links between them"),
        (("y: latency_s", "y: latencys"), "12:", "latency_s"),
        (("phase: decode", "phase: decoding"), "10:", "decode"),
        (("{machine: h100}", "{machine: h100, engine: {keys: twice}}"), "6:", "expected shared or apart"),
        (("{machine: h100}", "{machine: h100, engine: {library: nccl}}"), "6:", "one chip calls none"),
        (("{machine: h100}", "{machine: h100, engine: {scales: found}}"), "6:", "nothing is quantised"),
        (("{machine: h100}", "{machine: fusemax, engine: {kernels: recorded}}"), "6:", "no graph_launch"),
        (("{machine: h100}", "{machine: h100, host: {kernel: 5}}"), "6:", "kernel"),
        (("length: [256]", "length: [0]"), "10:", "at least 1"),
        (("length: [256]", "length: [256], source: 9"), "10:", "no model here has an encoder"),
        (("length: [256]", "length: []"), "10:", "at least one value"),
        (("where: {phase: prefill,", "where: {phase: prefil,"), "12:", "prefill"),
        (("phases:", "words: {weights: 1}\nphases:"), "8:", "got 1 without a unit"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    folder: Path, change: tuple[str, str], place: str, said: str
) -> None:
    """Each with its line, by check as by run."""
    path = folder / "study.yaml"
    path.write_text(STUDY.replace(*change), encoding="utf-8")
    with pytest.raises(ProblemsError) as refused:
        fm.run(path, out=folder / "out")

    assert f"study.yaml:{place}" in str(refused.value)
    assert said in str(refused.value)
    assert not (folder / "out").exists()


def test_a_machine_without_mappings_is_searched(folder: Path) -> None:
    """A product has no mapping on FuseMax's machine: the mapper finds one, no quicker than its multiply-adds allow."""
    prices = Prices("fusemax", Widths())
    model = load_model(folder / "tiny")
    step = next(
        step for step in steps_of(model, Pass(batch=1, queries=512, keys=512)) if step.name == "output"
    )
    price = prices.price(step)

    assert FOUND == price.mapping
    least_s = step.operations / (256 * 256) / 940e6
    assert least_s <= price.time_s < 20 * least_s
    assert prices.price(step) is prices.price(step)  # searched once
