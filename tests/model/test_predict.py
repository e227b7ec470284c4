"""Steps of whole models against sums by hand, their prices against the machine's figures, and what does not fit."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.errors import FusemaxError
from fusemax.model.engine import Engine, Host, refuse_idle
from fusemax.model.experts import routed
from fusemax.model.heads import pairs_seen
from fusemax.model.parallel import Parallel
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Experts
from fusemax.model.step import Pass, Step
from fusemax.model.steps import steps_of
from fusemax.model.system import load_system
from tests.model.configs import CONFIGS, published

H100 = Prices("h100", Widths())  # kept from one test to the next


def macs(name: str, run: Pass, *work: str) -> float:
    """Multiply-adds of all steps of the given kinds of work."""
    return sum(step.times * step.operations for step in steps_of(published(name), run) if step.work in work)


def test_products_of_a_layer():
    """Llama-3.1-70B: every weight of the layers' matrices meets every token once; logits only for the last."""
    run = Pass(batch=3, queries=128, keys=128)
    layer = 8192 * (64 + 16) * 128 + 8192 * 8192 + 3 * 8192 * 28672
    assert macs("llama-3.1-70b", run, "projection", "output", "feed-forward") == 3 * 128 * 80 * layer
    assert macs("llama-3.1-70b", run, "logits") == 3 * 8192 * 128256


@pytest.mark.parametrize(
    ("queries", "keys", "window"), [(7, 7, None), (3, 9, None), (6, 6, 4), (3, 9, 4), (9, 9, 20), (1, 5, 2)]
)
def test_pairs_of_attention(queries: int, keys: int, window: int | None):
    """The pairs of a query and a key that it sees, counted one by one."""
    seen = sum(
        1
        for p in range(queries)
        for m in range(keys)
        if m <= p + keys - queries and (window is None or m > p + keys - queries - window)
    )
    assert seen == pairs_seen(queries, keys, window, causal=True)


@pytest.mark.parametrize(("tokens", "window"), [(7, None), (7, 4), (9, 5), (3, 4), (2, 4), (1, 4), (4, 8)])
def test_pairs_of_an_encoder(tokens: int, window: int | None):
    """Tokens at most half a window apart see each other, counted one by one."""
    far = tokens if window is None else window // 2
    seen = sum(abs(p - m) <= far for p in range(tokens) for m in range(tokens))
    assert seen == pairs_seen(tokens, tokens, window, causal=False)


def test_gemma_at_128k():
    """Decoding one token on a cache of 128 Ki: 52 layers see 1,024 keys, 10 see all."""
    run = Pass(batch=1, queries=1, keys=131072)
    assert macs("gemma-3-27b", run, "attention") == 32 * 2 * 128 * (52 * 1024 + 10 * 131072)


def test_deepseek_decoding():
    """DeepSeek-V3, batch 128: scores over latent and rotary parts, values from the latent; eight experts a token."""
    run = Pass(batch=128, queries=1, keys=4096)
    assert macs("deepseek-v3", run, "attention") == 61 * 128 * 4096 * 128 * (2 * 512 + 64)
    steps = {step.name: step for step in steps_of(published("deepseek-v3"), run) if step.part == "layer 2"}
    groups, rows = routed(Experts(count=256, per_token=8, expert=None), 128)  # type: ignore[arg-type]
    assert (groups, rows) == (252, 5)  # 256*(1 - (248/256)^128) = 251.6
    assert steps["experts in"].forms[0][1] == {"G": 252, "R": 5, "K": 7168, "N": 4096}


@pytest.mark.parametrize("tokens", [1, 2, 10, 1000])
def test_experts_touched(tokens: int):
    """One token touches its own experts, many touch all; rows and experts hold all that is routed."""
    part = Experts(count=64, per_token=4, expert=None)  # type: ignore[arg-type]
    groups, rows = routed(part, tokens)
    assert groups * rows >= tokens * 4
    assert groups == {1: 4, 1000: 64}.get(tokens, groups)


def test_decoding_is_as_fast_as_memory():
    """One token of Llama-3.1-8B on an H100 reads all weights once: bytes over bandwidth, and the start of each kernel."""
    predictor = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    passed = predictor.decode(1, 128)
    products = [row for row in passed.rows if row.step.forms and row.step.work != "attention"]
    read_B = 2 * (32 * (4096 * 48 * 128 + 4096 * 4096 + 3 * 4096 * 14336) + 128256 * 4096)
    traffic = sum(row.traffic_B for row in products)
    assert read_B <= traffic < 1.01 * read_B
    starts_s = sum(row.step.times for row in products) * 5e-6
    assert read_B / 3053e9 <= sum(row.time_s for row in products) <= read_B / (0.92 * 3053e9) + starts_s


def test_narrow_weights_move_less():
    """Weights of 8 bits beside activations of 16 halve the traffic of a decoding step's products."""
    wide = Predictor(published("llama-3.1-8b"), "h100", shared=H100).decode(1, 128)
    narrow = Predictor(published("llama-3.1-8b"), "h100", Widths(weights_B=1)).decode(1, 128)
    of = [sum(row.traffic_B for row in p.rows if row.step.work == "feed-forward") for p in (wide, narrow)]
    assert of[1] == pytest.approx(of[0] / 2, rel=0.01)


def test_memory():
    """Weights, a cache and what two steps hand over, in bytes; 405 billion weights fit eight chips of 80 GB at 8 bits only."""
    model = published("llama-3.1-405b")
    memory = Predictor(model, "h100", figures={"DRAM.size": 80e9}).memory(1, 1000)
    assert memory.weights_B == 2 * CONFIGS["llama-3.1-405b"][1]
    assert memory.cache_B == 1000 * 126 * 2 * 8 * 128 * 2
    assert memory.fits is False
    shared = Predictor(
        model, "h100", system=load_system("8xh100"), parallel=Parallel(tensor=8), figures={"DRAM.size": 80e9}
    ).memory(1, 1000)
    assert shared.fits is False
    assert shared.weights_B == memory.weights_B / 8
    narrow = Predictor(
        model,
        "h100",
        Widths(weights_B=1, cache_B=1),
        load_system("8xh100"),
        Parallel(tensor=8),
        {"DRAM.size": 80e9},
    ).memory(1, 1000)
    assert narrow.fits is True


def test_chips_share_a_layer():
    """Two all-reduces a layer, one of the embedding, logits gathered; four chips are quicker, not four times."""
    model = published("llama-3.1-8b")
    one = Predictor(model, "h100", shared=H100).prefill(1, 1024)
    four = Predictor(
        model, "h100", system=load_system("8xh100"), parallel=Parallel(tensor=4), shared=H100
    ).prefill(1, 1024)
    assert 2 * 32 + 2 == sum(row.step.times for row in four.rows if row.step.work == "collective")
    assert one.time_s / 4 < four.time_s < one.time_s
    with pytest.raises(FusemaxError, match="3 chips do not divide the 32 heads"):
        Predictor(model, "h100", system=load_system("8xh100"), parallel=Parallel(tensor=3)).prefill(1, 64)


def test_a_whole_batch():
    """One prefill and the steps after it: between the first and the last step's time each."""
    predictor = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    first, last = predictor.decode(4, 65).time_s, predictor.decode(4, 95).time_s
    steps_s = predictor.generated_s(4, 64, 32) - predictor.prefill(4, 64).time_s
    assert 31 * first <= steps_s <= 31 * last


def test_encoders():
    """An encoder sees everything and does not decode."""
    predictor = Predictor(published("bert-base"), "h100", shared=H100)
    attention = next(row for row in predictor.prefill(2, 64).rows if row.step.work == "attention")
    assert attention.step.operations == 2 * 12 * 64 * 64 * 128
    with pytest.raises(FusemaxError, match=r"bert-base is an encoder \(bert\): it does not decode"):
        predictor.decode(1, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_every_model_runs(name: str):
    """All published models, on one H100, both phases where they have them."""
    predictor = Predictor(published(name), "h100", shared=H100)
    assert predictor.prefill(1, 256).time_s > 0
    if published(name).causal:
        assert predictor.decode(2, 256).time_s > 0


def run(*arguments: str):
    """Call ``fusemax model`` with a small configuration."""
    return CliRunner().invoke(build(), ["model", *arguments])


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A configuration of two small layers."""
    path = tmp_path / "small.yaml"
    path.write_text(
        "{model_type: llama, hidden_size: 256, num_attention_heads: 4, intermediate_size: 512, num_hidden_layers: 2,"
        " vocab_size: 1000, rope_theta: 10000.0}"
    )
    return str(path)


def test_the_command(small: str):
    """A table whose shares add up, memory, and the keys that were not used; JSON with the same numbers."""
    shown = run(small, "--machine", "h100", "--set", "P=128")
    assert shown.exit_code == 0
    assert "100.0%" in shown.output
    assert "not used    rope_theta" in shown.output
    answer = json.loads(run(small, "--machine", "h100", "--set", "P=128", "--json").output)
    (passed,) = answer["passes"]
    assert passed["time_s"] == pytest.approx(sum(step["time_s"] for step in passed["steps"]))
    assert sum(passed["by_work_s"].values()) == pytest.approx(answer["time_s"])
    whole = json.loads(
        run(
            small, "--machine", "h100", "--phase", "generate", "--set", "P=128", "--set", "N=8", "--json"
        ).output
    )
    assert whole["time_s"] > answer["time_s"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--machine or --system: say one of them"),
        (["--machine", "h100"], "--phase prefill needs P"),
        (["--machine", "h100", "--phase", "decode", "--set", "P=4"], "--phase decode needs M"),
        (["--machine", "h100", "--set", "P=4", "--set", "M=4"], "--phase prefill does not use M"),
        (["--machine", "h100", "--set", "P=4", "--set", "Q=4"], "--set Q: a model has the sizes B, P, M, N"),
        (["--machine", "h100", "--chips", "2", "--set", "P=4"], "--chips: needs a --system"),
        (["--system", "8xh100", "--chips", "9", "--set", "P=4"], "--chips 9: 8xh100 has 8"),
        (
            ["--machine", "h100", "--words", "weights=8", "--set", "P=4"],
            "--words weights: expected a width with its unit, got '8'",
        ),
        (
            ["--machine", "h100", "--words", "wights=8bit", "--set", "P=4"],
            "--words: 'wights' is none of weights",
        ),
    ],
)
def test_mistakes(small: str, arguments: list[str], message: str):
    """What cannot be meant is said."""
    result = run(small, *arguments)
    assert message in str(result.exception)


def test_the_report(small: str, tmp_path: Path):
    """A page with three pictures inside, tables that add up to the pass, and the JSON; energy of all steps."""
    out = tmp_path / "report"
    result = run(
        small, "--machine", "h100", "--phase", "generate", "--set", "P=64", "--set", "N=4", "-o", str(out)
    )
    assert result.exit_code == 0, result.output
    answer = json.loads((out / "model.json").read_text())
    with (out / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    prefill = [row for row in rows if row["pass"] == "prefill"]
    assert sum(float(row["time_s"]) for row in prefill) == pytest.approx(answer["passes"][0]["time_s"])
    assert sum(float(row["share"]) for row in prefill) == pytest.approx(1)
    assert answer["energy_per_token_J"] * 4 == pytest.approx(answer["energy_J"])
    assert answer["chip_seconds_per_token"] * 4 == pytest.approx(answer["time_s"])
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 4  # a layer when reading, one when making tokens, time, memory
    assert {"layer-prefill.png", "layer-decode.png", "time.png", "memory.png"} <= {
        f.name for f in out.iterdir()
    }


def test_attention_runs_as_wide_as_the_keys():
    """At 8 bits with a cache of 16, attention costs what it does at 16; a cache of 8 bits halves what a new token reads."""
    model, wide = published("llama-3.1-8b"), Widths()

    def attention(widths: Widths, phase: str) -> tuple[float, float]:
        predictor = Predictor(model, "h100", widths)
        passed = predictor.prefill(1, 2048) if phase == "prefill" else predictor.decode(8, 4096)
        (row,) = [one for one in passed.rows if one.step.name == "attention"]
        return row.time_s, row.traffic_B

    mixed = Widths(activations_B=1, weights_B=1)
    narrow = Widths(activations_B=1, weights_B=1, cache_B=1)
    told = replace(narrow, attention_B=2.0)
    for phase in ("prefill", "decode"):
        assert attention(wide, phase) == attention(mixed, phase)
    assert (
        attention(narrow, "prefill")[0]
        < 0.8 * attention(wide, "prefill")[0]
        == 0.8 * attention(told, "prefill")[0]
    )
    kept = 32 * 8 * 4096 * 2 * 8 * 128  # keys and values of eight sequences in all layers
    assert attention(wide, "decode")[1] - attention(told, "decode")[1] == pytest.approx(kept, rel=1e-9)


def test_quantising():
    """Products of 8 bits read what was written for them: each number once at 16 bits and once at 8, norms at 16."""
    model = published("llama-3.1-8b")
    wide = Predictor(model, "h100", shared=H100).prefill(1, 512)
    narrow = Predictor(model, "h100", Widths(weights_B=1, cache_B=1, activations_B=1)).prefill(1, 512)
    first, second = (
        [row for row in passed.rows if row.step.work in ("norm", "rope", "activation")]
        for passed in (wide, narrow)
    )
    assert [row.traffic_B for row in first] == [row.traffic_B for row in second]
    moved = {row.step.name: row.price for row in narrow.rows if row.step.work == "quantise"}
    assert set(moved) == {f"quantise for {row.step.name}" for row in wide.rows if row.step.weights}
    assert moved["quantise for feed-forward out"].traffic_B == 512 * 14336 * 3
    assert moved["quantise for feed-forward out"].time_s == pytest.approx(
        4.5e-6 + 512 * 14336 * 3 / (0.92 * 3053e9)
    )


def test_scales_that_are_found_and_graphs():
    """A scale for all of an input is another kernel that reads it; in a graph each has 1.3 us beside its bytes alone."""
    model, widths = published("llama-3.1-8b"), Widths(weights_B=1, cache_B=1, activations_B=1)
    known = Prices("h100", widths)
    stored, found, graphs = (
        Predictor(model, "h100", widths, engine=engine, shared=known).prefill(1, 512)
        for engine in (Engine(), Engine(scales="found"), Engine(scales="found", kernels="recorded"))
    )
    numbers = 512 * 14336
    each, wide_s = 32, numbers * 2 / (0.92 * 3053e9)
    rows = {row.step.name: row for row in found.rows}
    assert rows["scale for feed-forward out"].traffic_B == each * numbers * 2
    assert rows["scale for feed-forward out"].time_s == pytest.approx(each * (4.5e-6 + wide_s))
    more = [row for row in found.rows if row.step.name.startswith("scale for ")]
    assert found.time_s == pytest.approx(stored.time_s + sum(row.time_s for row in more))
    short = {row.step.name: row for row in graphs.rows}
    assert short["scale for feed-forward out"].time_s == pytest.approx(each * (1.3e-6 + wide_s))
    alone = sum(row.step.times for row in found.rows if not row.step.forms)
    assert graphs.time_s == pytest.approx(found.time_s - alone * 3.2e-6)
    with pytest.raises(FusemaxError, match="has no graph_launch"):
        Predictor(model, "mi300x", engine=Engine(kernels="recorded"))


def test_a_kernel_of_8_bits_is_none_of_16():
    """Mappings that say for which operands they are run at that width alone; those that do not say it at any."""
    wide, narrow = (
        Prices("h100", Widths(activations_B=width))._suited("grouped/causal") for width in (2.0, 1.0)
    )
    assert {"cudnn-fp8", "flash3-fp8", "sage", "sage-triton"} == set(narrow) - set(wide)
    assert {"flash3", "cudnn"} <= set(wide)


def test_energy_of_what_only_moves():
    """A norm's bytes at the energy of the outermost memory's lines, and what the board takes while it runs."""
    passed = Predictor(published("llama-3.1-8b"), "h100", shared=H100).prefill(1, 512)
    norm = next(row.price for row in passed.rows if row.step.work == "norm")
    assert norm.energy_J == pytest.approx(4 * 512 * 4096 * 2 / 32 * 1004.8e-12 + 70 * norm.time_s)
    assert passed.energy_J > 0


@pytest.mark.parametrize("columns", ["30", "60", "200"])
def test_no_figure_is_cut(small: str, monkeypatch: pytest.MonkeyPatch, columns: str):
    """However narrow the terminal, every time has its unit and every name all its letters."""
    monkeypatch.setenv("COLUMNS", columns)
    shown = run(small, "--machine", "h100", "--phase", "decode", "--set", "M=64").output
    assert "\u2026" not in shown
    assert "queries, keys, values" in " ".join(shown.split())


def test_tokens_of_an_image(tmp_path: Path):
    """A tower for images of 384 in patches of 14 has 27 times 27 tokens (what is over is left out): a missing P names them."""
    path = tmp_path / "tower.yaml"
    path.write_text(
        "{model_type: siglip_vision_model, hidden_size: 256, intermediate_size: 512, num_attention_heads: 4,"
        " num_hidden_layers: 2, image_size: 384, patch_size: 14}"
    )
    assert "tower has 729 positions: --set P=729" in str(run(str(path), "--machine", "h100").exception)


def test_chips_that_do_not_divide(small: str):
    """A system of 72 chips and 512 inner features: the answer says how many chips may share them."""
    result = run(small, "--system", "gb200-nvl72", "--phase", "generate", "--set", "P=64", "--set", "N=4")
    said = "72 chips do not divide the feed-forward width of 512 of small\n  hint: tensor may be 1, 2, 4, 8, 16, 32, 64,"
    assert said in str(result.exception)


def test_a_chip_waits_for_its_host():
    """By hand: what launches take beyond the chip's own time, and the time before each pass; quick launches are hidden."""
    plain = Predictor(published("llama-3.1-8b"), "h100", shared=H100).decode(1, 128)
    launches = sum(row.step.times for row in plain.rows)
    assert launches == 2 + 32 * 9 + 1  # the embedding, nine kernels a layer, the last norm and the logits
    for host, more_s in (
        (Host(pass_s=2e-3), 2e-3), (Host(kernel_s=1e-6), 0.0),
        (Host(kernel_s=50e-6, pass_s=1e-3), launches * 50e-6 - plain.time_s + 1e-3),
    ):  # fmt: skip
        found = Predictor(published("llama-3.1-8b"), "h100", shared=H100, engine=Engine(host=host)).decode(
            1, 128
        )
        assert found.time_s == pytest.approx(plain.time_s + more_s)
        assert found.energy_J == plain.energy_J


def test_a_host_before_prompts():
    """By hand: a batch waits once for what a host does before its prompt, and at every step for what it does before each."""
    plain = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    for host, waits in (
        (Host(prompt_s=2e-3), 1),
        (Host(pass_s=2e-3), 5),
        (Host(pass_s=1e-3, prompt_s=5e-3), 5),
    ):
        waiting = replace(plain, engine=Engine(host=host))
        more_s = waits * host.pass_s + host.prompt_s
        assert waiting.generated_s(2, 64, 5) == pytest.approx(plain.generated_s(2, 64, 5) + more_s)
    pair = Predictor(published("t5-base"), "h100", shared=H100)
    late = replace(pair, engine=Engine(host=Host(prompt_s=2e-3)))
    assert late.prefill(2, 64).time_s == pytest.approx(
        pair.prefill(2, 64).time_s + 2e-3
    )  # its first token is one query
    assert late.decode(2, 4, 64).time_s == pair.decode(2, 4, 64).time_s


def test_hosts_of_pipeline_stages():
    """By hand: each stage waits for its own host; of micro-batches the slowest stage's launches count."""
    model, system = published("llama-3.1-8b"), load_system("8xh100")
    for parallel in (Parallel(pipeline=4), Parallel(pipeline=4, micro=2)):
        each = Predictor(model, "h100", system=system, parallel=parallel, shared=H100)
        plain = each.prefill(8, 128)
        kernel_s = 1e-3  # so slow that launches alone count
        host = Host(kernel_s=kernel_s, pass_s=5e-3)
        found = replace(each, engine=Engine(host=host)).prefill(8, 128)
        first, middle, last = 2 - 1 + 8 * 9 + 1, 8 * 9 + 1, 8 * 9 + 2  # nine kernels a layer, one to send
        by_hand = (first + 2 * middle + last) * kernel_s + (parallel.micro - 1) * first * kernel_s + 5e-3
        assert found.time_s == pytest.approx(by_hand)
        assert plain.time_s < by_hand
        tiny = replace(each, engine=Engine(host=Host(kernel_s=1e-9))).prefill(8, 128)
        assert tiny.time_s == pytest.approx(plain.time_s)


def test_a_batch_is_the_sum_of_its_steps():
    """Few steps one by one, though priced at fewer lengths; a billion of them are told at once not to fit."""
    one = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    steps = [one.decode(2, 64 + number).time_s for number in range(1, 6)]
    assert one.generated_s(2, 64, 6) == pytest.approx(one.prefill(2, 64).time_s + sum(steps))
    more = [one.decode(2, 64 + number).time_s for number in range(1, 40)]
    assert one.generated_s(2, 64, 40) == pytest.approx(one.prefill(2, 64).time_s + sum(more), rel=1e-3)
    with pytest.raises(FusemaxError, match=r"one step of llama-3\.1-8b alone does not fit"):
        one.generated_s(1, 16, 10**9)


def test_keys_read_apart():
    """A cache read once for each of eight query heads of a group takes eight times the bytes when tokens are made, alone."""
    model = published("llama-3.1-70b")
    shared = Predictor(model, "h100", shared=H100)
    apart = replace(shared, engine=Engine(keys="apart"))
    with pytest.raises(FusemaxError, match="a prompt alone makes none"):
        refuse_idle(apart.engine, decoding=False)

    def attention(run):
        return next(row for row in run.rows if row.step.work == "attention")

    bytes_B = [attention(one.decode(64, 4096)).traffic_B for one in (shared, apart)]
    assert bytes_B[1] / bytes_B[0] == pytest.approx(8, rel=0.01)
    assert apart.prefill(1, 512).time_s == shared.prefill(1, 512).time_s
    assert apart.memory(64, 4096) == shared.memory(64, 4096)
    latent = Predictor(published("deepseek-v3"), "h100", shared=H100, engine=Engine(keys="apart"))
    with pytest.raises(FusemaxError, match="latent vectors"):
        latent.decode(1, 64)


def test_attention_in_three_kernels():
    """By hand: scores of each query head are written, read, written, read, hidden ones too, and held; tokens are as before."""
    shared = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    unfused = replace(shared, engine=Engine(attention="apart"))
    (row,) = [one for one in unfused.prefill(1, 2048).rows if one.step.work == "attention"]
    scores = 32 * 2048**2
    assert row.step.operations == scores * 256
    tensors = 4 * 32 * 2048 * 128  # queries and what is made; keys and values, of each query head
    assert row.price.traffic_B == pytest.approx(2 * (4 * scores + tensors), rel=0.05)
    assert unfused.memory(1, 2048, 2048).activations_B == max(
        2 * scores, shared.memory(1, 2048, 2048).activations_B
    )
    assert unfused.decode(1, 2048).time_s == shared.decode(1, 2048).time_s
    with pytest.raises(FusemaxError, match="says how a prompt is read"):
        refuse_idle(unfused.engine, decoding=True)
    latent = Predictor(published("deepseek-v3"), "h100", shared=H100, engine=Engine(attention="apart"))
    with pytest.raises(FusemaxError, match="attention=apart: not modelled for latent attention"):
        latent.prefill(1, 64)


def test_a_library_of_collectives():
    """All sums go over the library that is asked for, however small; what it does not do goes over another."""
    model, system = published("mixtral-8x7b"), load_system("8xh100")
    parallel = Parallel(tensor=2, data=4, expert=8)
    free = Predictor(model, "h100", system=system, parallel=parallel, shared=H100)
    bound = replace(free, engine=Engine(library="nccl"))
    limits = [
        {row.step.exchange.operation: row.price.limit for row in one.decode(8, 128).rows if row.step.exchange}
        for one in (free, bound)
    ]
    assert limits[0]["all-reduce"].startswith("custom")
    assert limits[1]["all-reduce"].startswith("nccl")
    assert limits[0]["all-to-all"] == limits[1]["all-to-all"] != ""
    assert bound.decode(8, 128).time_s > free.decode(8, 128).time_s
    for library, links, said in (("nccll", system, "nccl"), ("nccl", None, "one chip")):
        with pytest.raises(FusemaxError, match=said):
            Predictor(model, "h100", system=links, engine=Engine(library=library))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "keys=twice"), "--engine: keys: expected shared or apart, got 'twice'"),
        (("--engine", "kees=apart"), "--engine: no part 'kees' of an engine; did you mean 'keys'?"),
        (("--engine", "keys"), "--engine: 'keys': expected a name and a value"),
        (("--engine", "keys=apart,keys=apart"), "--engine: keys is said twice"),
        (("--words", "weights=8bit,weights=4bit"), "--words: weights is said twice"),
        (("--words", "weights"), "--words: 'weights': expected a name and a value"),
        (("--set", "DRAMM.size=1GB"), "h100 has no figure DRAMM.size; did you mean 'DRAM.size'?"),
        (("--set", "word=1 B"), "word: a model says its widths itself"),
        (("--set", "DRAM.size=0.1 MB"), "one step of small alone does not fit: "),
        (("--depth", "3"), "--depth: goes with --explain"),
        (("--explain", "norm", "--json"), "--explain: writes text alone; leave out --json"),
        (("--engine", "library=nccl"), "library=nccl: one chip calls none"),
        (("--engine", "scales=find"), "--engine: scales: expected stored or found, got 'find'"),
        (("--engine", "scales=found"), "scales=found: nothing is quantised at these widths"),
        (("--host", "kernel=5"), "--host: kernel: expected a time from 0 to 60 s with its unit, got '5'"),
        (("--host", "launch=5us"), "--host: 'launch' is none of pass, prompt, kernel"),
    ],
)
def test_options_that_say_nothing(small: str, options: tuple[str, ...], said: str):
    """Each mistake by name."""
    result = run(small, "--machine", "h100", "--set", "P=64", *options)
    assert result.exit_code
    assert said in str(result.exception)


def test_a_report_that_has_no_place(small: str, tmp_path: Path):
    """A file where the folder should be is told, not a traceback."""
    (tmp_path / "taken").write_text("")
    result = run(small, "--machine", "h100", "--set", "P=64", "-o", str(tmp_path / "taken"))
    assert isinstance(result.exception, FusemaxError)
    assert "cannot be written" in str(result.exception)


def test_experts_with_few_tokens():
    """A hundred matrices for three tokens each, on a B200: no slower than their bytes, though instructions take 128 rows."""
    sizes = {"G": 100, "R": 3, "K": 2880, "N": 5760}
    step = Step(
        part="", name="", work="", times=1, forms=(("transformer/grouped-linear", sizes),), weights=("W",)
    )
    price = Prices("b200", Widths()).price(step)
    least_s = 100 * 2880 * 5760 * 2 / 7239e9
    assert least_s < price.time_s < 1.05 * least_s / 0.92 + 5e-6
    assert price.mapping == "grouped-linear-swapped"
