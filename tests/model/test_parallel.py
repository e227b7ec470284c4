"""Chips that share a model: work and memory that add up, exchanges counted by hand, and what cannot be."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.model.experts import chips_of_token, routed
from fusemax.model.parallel import Parallel, parallel_from
from fusemax.model.passed import stage_times
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Experts, FeedForward
from fusemax.model.step import Pass, Step
from fusemax.model.steps import steps_of
from fusemax.model.system import load_system, system_of
from fusemax.model.weights import chip_cache, chip_weights, stages, weights
from fusemax.source import document_of
from tests.model.configs import published

H100 = Prices("h100", Widths())  # kept from one test to the next
POD = """\
title: many chips around one switch
source: our own
chip: h100
chips: 1024
links: {topology: switch, bandwidth: 450 GB/s}
libraries: {own: {start: 2 us, round: 1 us, algorithms: [ring, direct]}}
"""


def pod(model: str, text: str) -> Predictor:
    """A predictor of a published model on as many H100 as *text* asks for, all around one switch."""
    system = system_of(document_of(POD, "pod.yaml"))
    return Predictor(published(model), "h100", system=system, parallel=parallel_from(text), shared=H100)


def named(model: str, run: Pass) -> dict[str, Step]:
    """The steps of the last kind of layer by name, and those of no layer."""
    return {step.name: step for step in steps_of(published(model), run)}


def macs(model: str, run: Pass) -> float:
    """Multiply-adds of one chip in all of its micro-batches, were it in every stage."""
    return run.parallel.micro * sum(step.times * step.operations for step in steps_of(published(model), run))


@given(
    tensor=st.sampled_from([1, 2, 4, 8]), context=st.sampled_from([1, 2, 4]), data=st.sampled_from([1, 2, 4]),
    stages_micro=st.sampled_from([(1, 1), (2, 1), (4, 2)]),
)  # fmt: skip
def test_chips_do_the_work_of_one(
    tensor: int, context: int, data: int, stages_micro: tuple[int, int]
) -> None:
    """Every multiply-add of a layer of Llama-3.1-8B is done on one chip, however many share it."""
    pipeline, micro = stages_micro
    parallel = Parallel(tensor=tensor, context=context, data=data, pipeline=pipeline, micro=micro)
    shared = Pass(batch=8, queries=512, keys=512, parallel=parallel)
    whole = macs("llama-3.1-8b", Pass(batch=8, queries=512, keys=512))
    logits = 8 * 4096 * 128256
    # logits of a sequence's last token are made where that token is
    done = macs("llama-3.1-8b", shared) - logits / tensor / data
    # early and late parts of a sequence see as many pairs as the mean, rounded up to whole keys
    assert parallel.stage * done == pytest.approx(whole - logits, rel=2e-4)


@given(tensor=st.sampled_from([1, 2, 4, 8]), pipeline=st.integers(1, 16))
def test_weights_add_up(tensor: int, pipeline: int) -> None:
    """No chip holds less than its part of all weights, nor more than that and one layer more, and the ends."""
    model = published("llama-3.1-70b")
    held = chip_weights(model, Parallel(tensor=tensor, pipeline=pipeline))
    part = weights(model) / tensor / pipeline
    layer = 8192 * (2 * 8192 + 2 * 1024) + 3 * 8192 * 28672 + 2 * 8192
    assert part <= held * (1 + 1e-12) <= part + (layer + 128256 * 8192 + 8192) / tensor + 1


def test_stages_are_runs_of_layers() -> None:
    """Gemma 3's every sixth layer has no window; DeepSeek-V3's first three are dense; the first stages have one layer more."""
    gemma = stages(published("gemma-3-27b"), Parallel(pipeline=4))
    assert gemma == (
        Counter({0: 14, 1: 2}),
        Counter({0: 13, 1: 3}),
        Counter({0: 13, 1: 2}),
        Counter({0: 12, 1: 3}),
    )
    deepseek = stages(published("deepseek-v3"), Parallel(pipeline=8))
    assert deepseek[0] == Counter({0: 3, 1: 5})
    assert [sum(stage.values()) for stage in deepseek] == [8, 8, 8, 8, 8, 7, 7, 7]


def test_a_cache_is_shared_by_heads_and_tokens() -> None:
    """Eight heads over 16 chips are kept twice; a latent vector by every chip of a tensor group; tokens are cut by context."""
    llama = published("llama-3.1-70b")
    assert chip_cache(llama, Parallel(tensor=8), 3, 1000) == 3 * 1000 * 80 * 2 * 128
    assert chip_cache(llama, Parallel(tensor=16), 3, 1000) == 3 * 1000 * 80 * 2 * 128
    assert chip_cache(llama, Parallel(tensor=8, context=4, pipeline=2), 3, 1000) == 3 * 250 * 40 * 2 * 128
    deepseek = published("deepseek-v3")
    assert chip_cache(deepseek, Parallel(tensor=8), 1, 100) == 100 * 61 * 576


def test_a_pipeline_by_hand() -> None:
    """Four micro-batches through two stages: all stages once, then three times the slower one; idle is what is left."""
    passed = pod("llama-3.1-8b", "pipeline=2,micro=4").prefill(8, 256)
    one = [row for row in passed.rows if row.step.name != "other micro-batches"]
    alone = Predictor(published("llama-3.1-8b"), "h100", shared=H100).prefill(2, 256)
    assert passed.rows[-1].step.times == 3
    sent_s = 2e-6 + 1e-6 + 2 * 256 * 4096 * 2 / 450e9
    assert sum(row.time_s for row in one) == pytest.approx(alone.time_s + sent_s)
    layers_s = sum(row.time_s for row in alone.rows if row.step.layer is not None)
    ends = {row.step.part: 0.0 for row in alone.rows}
    for row in alone.rows:
        ends[row.step.part] += row.time_s
    by_hand = [ends["embedding"] + layers_s / 2 + sent_s, layers_s / 2 + ends["logits"]]
    assert stage_times(published("llama-3.1-8b"), one, passed.run.parallel) == pytest.approx(by_hand)
    assert passed.time_s == pytest.approx(sum(by_hand) + 3 * max(by_hand))
    assert passed.idle == pytest.approx(1 - 4 * sum(by_hand) / 2 / passed.time_s)


def test_decoding_fills_the_stages() -> None:
    """With as many micro-batches as stages or more, a step takes as long as the slowest stage works on all of them."""
    many = pod("llama-3.1-8b", "pipeline=2,micro=4").decode(8, 512)
    one = [row for row in many.rows if row.step.name != "other micro-batches"]
    times = stage_times(published("llama-3.1-8b"), one, many.run.parallel)
    assert many.time_s == pytest.approx(4 * max(times))
    single = pod("llama-3.1-8b", "pipeline=2").decode(8, 512)
    assert single.time_s == pytest.approx(sum(row.time_s for row in single.rows))


@pytest.mark.parametrize(("count", "per_token", "chips"), [(8, 2, 4), (6, 3, 2), (8, 2, 1), (9, 4, 3)])
def test_a_token_goes_to_few_chips(count: int, per_token: int, chips: int) -> None:
    """The mean number of chips over all choices of experts, one by one."""
    part = Experts(count=count, per_token=per_token, expert=FeedForward(d_ff=1, gated=True))
    own = count // chips
    choices = list(combinations(range(count), per_token))
    mean = sum(len({expert // own for expert in chosen}) for chosen in choices) / comb(count, per_token)
    assert chips_of_token(part, chips) == pytest.approx(mean)


def test_experts_over_chips_by_hand() -> None:
    """DeepSeek-V3 over 32 chips, each with four of 128 sequences: eight experts a chip, all tokens reach all experts."""
    parallel = Parallel(data=32, expert=32)
    steps = named("deepseek-v3", Pass(batch=128, queries=1, keys=4096, parallel=parallel))
    part = published("deepseek-v3").layers[1].feed_forward
    assert isinstance(part, Experts)
    touched = 8 * (1 - (248 / 256) ** 128)  # 7.86 of 8: all of them
    assert round(touched) == 8
    assert steps["experts in"].forms[0][1] == {"G": 8, "R": 4, "K": 7168, "N": 4096}  # 128*8/32 rows over 8
    sent = steps["tokens to experts"].exchange
    assert sent is not None
    chips = 32 * (1 - comb(248, 8) / comb(256, 8))
    assert (sent.operation, sent.chips, sent.stride) == ("all-to-all", 32, 1)
    assert sent.numbers == int(np.ceil(4 * chips * 7168))
    assert steps["tokens from experts"].exchange == sent
    assert "all-reduce after the feed-forward" not in steps


def test_experts_inside_a_tensor_group() -> None:
    """Four of eight chips take two experts each, cut in two; one all-reduce adds up all; twice the rows where one has most."""
    steps = named("mixtral-8x7b", Pass(batch=1, queries=64, keys=64, parallel=Parallel(tensor=8, expert=4)))
    assert steps["experts in"].forms[0][1] == {"G": 2, "R": 16, "K": 4096, "N": 2 * 14336 // 2}
    assert "tokens to experts" not in steps
    assert steps["all-reduce after the feed-forward"].times == 32
    part = Experts(count=8, per_token=2, expert=FeedForward(d_ff=1, gated=True))
    assert routed(part, 64, 4, 2.0) == (2, 32)


def test_more_chips_for_experts_than_share_matrices() -> None:
    """Groups of two over eight chips: each chip sends half of its group's tokens, then the two gather all."""
    parallel = Parallel(tensor=2, data=4, expert=8)
    steps = named("mixtral-8x7b", Pass(batch=4, queries=64, keys=64, parallel=parallel))
    sent, gathered = steps["tokens to experts"].exchange, steps["tokens of all"].exchange
    assert sent is not None
    assert gathered is not None
    assert sent.numbers == 32 * 2 * 4096  # 32 tokens, each to two of the eight chips
    assert (gathered.operation, gathered.numbers, gathered.chips) == ("all-gather", 64 * 4096, 2)
    assert steps["experts in"].forms[0][1] == {"G": 1, "R": 64, "K": 4096, "N": 2 * 14336}


def test_context_merges_what_split_k_merges() -> None:
    """Over chips go a maximum, a denominator and a numerator of each split, as the cascade keeps them."""
    parallel = Parallel(tensor=2, context=4)
    steps = named("llama-3.1-8b", Pass(batch=8, queries=1, keys=4096, parallel=parallel))
    cascade = load_cascade("grouped/split-k")
    ranks = {"R": 4, "F": 128, "P": 1}
    kept = {einsum.name: einsum for einsum in cascade.computed}
    numbers = 0
    for name in ("LM", "SLD", "SLNV"):
        letters = [str(index).upper() for index in kept[name].output.indices if str(index) != "m1"]
        numbers += int(np.prod([ranks[letter] for letter in letters]))
    merged = steps["sums of splits"].exchange
    assert merged is not None
    assert merged.numbers == 8 * 4 * numbers  # eight sequences, four heads of keys and values on a chip
    assert (merged.chips, merged.stride, merged.number_B) == (4, 2, 4.0)
    assert steps["attention"].forms[0][1] == {"B": 8, "H": 4, "R": 4, "E": 128, "F": 128, "P": 1, "M": 1024}
    assert steps["output"].forms[0][1]["R"] == 2  # two sequences a chip


def test_a_window_needs_its_neighbour() -> None:
    """Reading 8 Ki tokens on four chips: layers with a window get 1,024 keys of the chip before, the others all keys."""
    run = Pass(batch=1, queries=8192, keys=8192, parallel=Parallel(context=4))
    steps = [step for step in steps_of(published("gemma-3-27b"), run) if step.exchange is not None]
    first, second = (step.exchange for step in steps)
    assert first is not None
    assert second is not None
    assert (first.operation, first.numbers) == ("send", 1024 * 16 * 256)
    assert (second.operation, second.numbers) == ("all-gather", 8192 * 16 * 256)


def test_tokens_are_shared_between_products() -> None:
    """By hand, 512 tokens of Llama 3.1 8B over eight chips: norms see 64 each, each sum has two halves."""
    plain = Pass(batch=1, queries=512, keys=512, parallel=Parallel(tensor=8))
    shared = Pass(batch=1, queries=512, keys=512, parallel=Parallel(tensor=8, sequence=8))
    steps = steps_of(published("llama-3.1-8b"), shared)
    names = [step.name for step in steps if step.part == "layer"]
    assert names == [
        "norm", "all-gather for the mixer", "queries, keys, values", "rotary positions", "attention", "output",
        "reduce-scatter after the mixer", "norm", "all-gather for the feed-forward", "feed-forward in", "activation",
        "feed-forward out", "reduce-scatter after the feed-forward",
    ]  # fmt: skip
    assert {step.moved for step in steps if step.name == "norm" and step.part == "layer"} == {4 * 64 * 4096}
    sent = [step.exchange for step in steps if step.part == "layer" and step.exchange is not None]
    assert {(one.numbers, one.chips) for one in sent} == {(512 * 4096, 8)}
    last = named("llama-3.1-8b", shared)["all-gather for the logits"].exchange
    assert last is not None
    assert last.numbers == 4096  # of the last token alone
    assert macs("llama-3.1-8b", shared) == macs("llama-3.1-8b", plain)
    ring = {"tensor=8": 0.0, "tensor=8,sequence=8": 0.0}
    for text in ring:
        rows = pod("llama-3.1-8b", text).prefill(1, 512).rows
        ring[text] = sum(row.time_s for row in rows if row.step.exchange is not None and row.step.layer == 0)
    # as many bytes; one call more to start for each (2 us), in two rounds instead of the ring's 14 (1 us each)
    assert ring["tensor=8,sequence=8"] == pytest.approx(ring["tensor=8"] + 2 * 32 * (2e-6 - 12e-6))


def test_hidden_exchanges() -> None:
    """Half of every exchange is hidden while there is work; none where nothing is said; never more than the work lasts."""
    open_, half = (pod("llama-3.1-8b", f"tensor=8{more}").prefill(1, 2048) for more in ("", ",overlap=0.5"))
    sent_s, left_s = (
        sum(row.time_s for row in passed.rows if row.step.exchange is not None and row.step.part == "layer")
        for passed in (open_, half)
    )
    assert left_s == pytest.approx(sent_s / 2)
    first = [row for row in open_.rows if row.step.part == "embedding"]  # shorter than what it could hide
    hides = [row for row in half.rows if row.step.part == "embedding"]
    assert first[0].time_s < first[1].time_s / 2
    assert hides[1].time_s == pytest.approx(first[1].time_s - first[0].time_s)
    limits = [
        row.price.limit for row in half.rows if row.step.exchange is not None and row.step.part == "layer"
    ]
    assert all(limit.endswith("50% hidden") for limit in limits)


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("llama-3.1-8b", "tensor=3", "3 chips do not divide the 32 heads"),
        ("llama-3.1-8b", "tensor=4,sequence=2", "sequence=2: expected 1, or as many as tensor=4"),
        ("llama-3.1-8b", "pipeline=33", "pipeline=33: llama-3.1-8b has 32 layers"),
        ("llama-3.1-8b", "micro=2", "micro=2: micro-batches need pipeline stages"),
        ("llama-3.1-8b", "data=3", "data=3: 8 sequences do not divide into 3 parts"),
        ("llama-3.1-8b", "pipeline=2,micro=3", "micro=3: 8 sequences do not divide into 3 parts"),
        ("llama-3.1-8b", "context=3", "context=3: does not divide 128 tokens"),
        ("llama-3.1-8b", "expert=2", "expert=2: llama-3.1-8b has no experts"),
        ("mixtral-8x7b", "data=8,expert=3", "expert=3: does not divide 8 experts"),
        ("mixtral-8x7b", "data=2,expert=4", "expert=4: expected a part of tensor=1, or a multiple of it"),
        ("mixtral-8x7b", "imbalance=2", "imbalance=2: needs expert parallelism"),
        ("mamba2-2.7b", "context=2", "the states of mamba2-2.7b go from token to token"),
    ],
)
def test_what_cannot_be(model: str, text: str, message: str) -> None:
    """Refused with the degree that is wrong."""
    with pytest.raises(FusemaxError, match=message):
        pod(model, text).prefill(8, 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensr=2", "no parallelism 'tensr'; did you mean 'tensor'"),
        ("tensor", "'tensor': expected a name and a number"),
        ("tensor=x", "'tensor=x': expected a name and a number"),
        ("tensor=2,tensor=4", "tensor is said twice"),
        ("tensor=0", "tensor: expected a whole number of at least 1, got 0"),
        ("tensor=1.5", "tensor: expected a whole number of at least 1, got 1.5"),
        ("tensor=nan", "tensor: expected a whole number of at least 1, got nan"),
        ("tensor=inf", "tensor: expected a whole number of at least 1, got inf"),
        ("overlap=2", "overlap: expected a number from 0 to 1, got 2"),
        ("imbalance=0.5", "imbalance: expected a number from 1 to 1000, got 0.5"),
    ],
)
def test_what_cannot_be_meant(text: str, message: str) -> None:
    """A name that there is not, a number that is none."""
    with pytest.raises(FusemaxError, match=message):
        parallel_from(text)


def test_systems_name_their_groups() -> None:
    """On eight chips around a switch every group is one; the same bytes take the same time wherever a group lies."""
    system = load_system("8xh100")
    near, far = (system.collective("all-reduce", 1e6, 2, stride=stride) for stride in (1, 4))
    assert near == far
