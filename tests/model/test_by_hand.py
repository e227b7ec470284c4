"""One layer each of Llama-3.1-70B, DeepSeek-V3 and Gemma-3-27B against sums by hand: words are equal, times what they imply.

Words are counted from the configurations alone. A step is at least as long as its bytes at the outermost bandwidth (3053 GB/s
on an H100) and as its multiply-adds at the unit's rate; where a memory limits it, it is no longer than that and the starts.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fusemax.model.passed import Passed, Row
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Experts
from fusemax.model.step import Pass
from fusemax.model.steps import steps_of
from fusemax.model.weights import split_weights
from tests.model.configs import CONFIGS, MORE, published

H100 = Prices("h100", Widths())
DRAM_BPS = 3053e9
STARTS_S = 2.5e-6 + 2e-6  #: of a kernel, and of its parts


def layer(passed: Passed, part: str) -> Mapping[str, Row]:
    """The steps of one kind of layer by name; each is there once."""
    rows = {row.step.name: row for row in passed.rows if row.step.part == part and row.step.name != "norm"}
    assert len(rows) == sum(row.step.part == part and row.step.name != "norm" for row in passed.rows)
    return rows


def bytes_of(rows: int, inner: int, columns: int, groups: int = 1) -> int:
    """Bytes of a product: inputs, weights and outputs, once each, two bytes a number."""
    return 2 * groups * (rows * inner + inner * columns + rows * columns)


def test_llama_decodes():
    """Llama-3.1-70B on an H100, 16 sequences with 4,096 tokens: every step moves what it has to, in the time of that."""
    rows = layer(Predictor(published("llama-3.1-70b"), "h100", shared=H100).decode(16, 4096), "layer")
    by_hand = {
        "queries, keys, values": bytes_of(16, 8192, (64 + 2 * 8) * 128),
        "output": bytes_of(16, 8192, 8192),
        "feed-forward in": bytes_of(16, 8192, 2 * 28672),
        "feed-forward out": bytes_of(16, 28672, 8192),
        "rotary positions": 2 * 2 * 16 * (64 + 8) * 128,
        "activation": 3 * 2 * 16 * 28672,
    }
    for name, bytes_ in by_hand.items():
        # splits of a reduction bring their partial sums out and back: less than a twentieth here
        assert bytes_ <= rows[name].price.traffic_B <= 1.05 * bytes_, name
        assert bytes_ / DRAM_BPS <= rows[name].price.time_s <= 1.3 * (bytes_ / DRAM_BPS + STARTS_S), name
    attention = rows["attention"].price
    cache = 2 * 16 * 4096 * 8 * (128 + 128)
    assert cache <= attention.traffic_B <= 1.03 * cache
    assert cache / DRAM_BPS <= attention.time_s <= 1.3 * (cache / DRAM_BPS + 2 * STARTS_S)


def test_llama_reads():
    """The same layer reading 2,048 tokens: bound by its multiply-adds, which no product beats and none is twice above."""
    rows = layer(Predictor(published("llama-3.1-70b"), "h100", shared=H100).prefill(1, 2048), "layer")
    macs = {
        "queries, keys, values": 2048 * 8192 * 80 * 128, "output": 2048 * 8192 * 8192,
        "feed-forward in": 2048 * 8192 * 2 * 28672, "feed-forward out": 2048 * 28672 * 8192,
    }  # fmt: skip
    for name, count in macs.items():
        assert rows[name].step.operations == count
        least_s = count / 494.5e12  # half of 989 TFLOP/s at 1830 MHz
        assert least_s < rows[name].price.time_s < 2 * least_s, name
    assert rows["attention"].step.operations == 64 * (2048 * 2049 // 2) * 256


def test_deepseek_decodes():
    """DeepSeek-V3, 128 sequences with 4,096 tokens in a latent cache: 252 of 256 experts are read, five tokens each."""
    rows = layer(Predictor(published("deepseek-v3"), "h100", shared=H100).decode(128, 4096), "layer 2")
    by_hand = {
        # 2 x 17 tiles of 64 x 128 on 132 cores: splits of 64*ceil(7168*34/132/64) = 1,856, so four, summed from 32 bits
        "down to latent": bytes_of(128, 7168, 1536 + 512 + 64) + 2 * 4 * 4 * 128 * (1536 + 512 + 64),
        "queries": bytes_of(128, 1536, 128 * 192),
        "queries to latent": bytes_of(128, 128, 512, groups=128),
        "values from latent": bytes_of(128, 512, 128, groups=128),
        "output": bytes_of(128, 128 * 128, 7168),
        "experts in": bytes_of(5, 7168, 2 * 2048, groups=252),
        "experts out": bytes_of(5, 2048, 7168, groups=252),
    }
    for name, bytes_ in by_hand.items():
        assert bytes_ <= rows[name].price.traffic_B <= 1.25 * bytes_, name
        assert bytes_ / DRAM_BPS <= rows[name].price.time_s, name
    assert rows["attention"].step.operations == 128 * 4096 * 128 * (512 + 64 + 512)
    # splits of 64*ceil(128*4096/132/64) = 4,032 keys, so two: each reads the queries, and hands on 514 numbers a head
    cache, queries = 2 * 128 * 4096 * (512 + 64), 2 * 2 * 128 * 128 * (512 + 64)
    partial, out = 2 * 4 * 2 * 128 * 128 * (512 + 2), 2 * 128 * 128 * 512
    assert rows["attention"].price.traffic_B == cache + queries + partial + out


@pytest.mark.parametrize(("part", "seen"), [("layer 1", 1024), ("layer 2", 131072)])
def test_gemma_decodes(part: str, seen: int):
    """Gemma-3-27B, one sequence of 128 Ki tokens: layers with a window read 1,024 keys, the others all."""
    rows = layer(Predictor(published("gemma-3-27b"), "h100", shared=H100).decode(1, 131072), part)
    cache = 2 * seen * 16 * (128 + 128)
    attention = rows["attention"]
    assert attention.step.operations == 32 * seen * 256
    assert cache <= attention.price.traffic_B <= 1.05 * cache + 2 * 2 * 32 * 128 * 2
    assert cache / DRAM_BPS <= attention.price.time_s <= 1.5 * cache / DRAM_BPS + 4 * STARTS_S
    assert rows["queries, keys, values"].price.traffic_B == pytest.approx(
        bytes_of(1, 5376, (32 + 2 * 16) * 128), rel=0.05
    )


#: Kinds of work that are products with weights.
PRODUCTS = ("projection", "output", "feed-forward", "experts", "logits")
#: Models of one sequence; those of two are counted in tests of encoders with decoders.
ALONE = [name for name in sorted({*CONFIGS, *MORE}) if published(name).encoder is None]


@pytest.mark.parametrize("name", ALONE)
def test_a_token_takes_a_multiply_add_for_each_weight_that_it_meets(name: str):
    """All matrices but the table of tokens, of the experts those that a token takes; vectors are less than a hundredth."""
    model = published(name)
    tokens = 64
    steps = steps_of(model, Pass(batch=1, queries=tokens, keys=tokens, last_only=False))
    found = sum(step.times * step.operations for step in steps if step.work in PRODUCTS)
    met = float(model.head * model.d_model)
    for one in model.layers:
        rest, routed = split_weights(model, one)
        part = one.feed_forward
        taken = part.per_token / part.count if isinstance(part, Experts) else 0.0
        met += one.times * (rest + taken * routed)
    assert found == pytest.approx(tokens * met, rel=0.01)
