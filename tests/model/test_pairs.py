"""Encoders with decoders: words by hand, what is kept of a source, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fusemax.errors import FusemaxError
from fusemax.model.parallel import Parallel
from fusemax.model.passed import Passed, Row
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.system import load_system
from fusemax.model.weights import cache, weights
from tests.model.configs import published
from tests.model.test_layers import small

H100 = Prices("h100", Widths())
WHISPER = Predictor(published("whisper-large-v3"), "h100", shared=H100)
DRAM_BPS = 3053e9


def rows(passed: Passed, part: str) -> dict[str, Row]:
    """The steps of one part by name."""
    return {row.step.name: row for row in passed.rows if row.step.part == part}


def test_the_encoder_reads() -> None:
    """Whisper large: 32 layers of 20 heads read 1,500 tokens, made from twice as many frames; the decoder makes one."""
    passed = WHISPER.prefill(2, 1500)
    front, encoder, decoder = (rows(passed, part) for part in ("encoder front", "encoder layer", "layer"))
    tokens, d, inner = 2 * 1500, 1280, 5120
    macs = {
        "convolution 1": 2 * tokens * 3 * 128 * d, "convolution 2": tokens * 3 * d * d,
        "queries, keys, values": tokens * d * 3 * d, "output": tokens * d * d, "feed-forward in": tokens * d * inner,
        "feed-forward out": tokens * inner * d, "attention": 2 * 20 * 1500 * 1500 * (64 + 64),
    }  # fmt: skip
    for name, each in macs.items():
        row = (front if name in front else encoder)[name]
        assert (row.step.times, row.step.operations) == (1 if name in front else 32, each), name
    made = decoder["keys, values of the source"].step
    assert (made.times, made.operations) == (32, tokens * d * 2 * d)
    assert decoder["queries to the source"].step.operations == 2 * d * d
    assert decoder["attention to the source"].step.operations == 2 * 1500 * d * 2
    assert sum(row.step.name == "norm" and row.step.part == "layer" for row in passed.rows) == 3


def test_one_token_more() -> None:
    """It reads the keys and values of 1,500 tokens once: 7.7 MB a sequence and layer; those that it made beside them."""
    passed = WHISPER.decode(8, 100, 1500)
    assert not [row for row in passed.rows if row.step.part.startswith("encoder")]
    layer = rows(passed, "layer")
    assert "keys, values of the source" not in layer
    kept = 8 * 1500 * 2 * 1280 * 2
    price = layer["attention to the source"].price
    assert kept <= price.traffic_B <= 1.03 * kept
    assert kept / DRAM_BPS <= price.time_s <= 1.3 * (kept / DRAM_BPS + 9e-6)
    own = layer["attention"].price.traffic_B
    assert 8 * 100 * 2 * 1280 * 2 <= own <= 1.2 * 8 * 100 * 2 * 1280 * 2


def test_what_is_kept() -> None:
    """Keys and values of both; the encoder's weights lie on the chip too, its table once."""
    model = published("whisper-large-v3")
    assert cache(model, 3, 100, 1500) == 3 * 32 * (100 + 1500) * 2 * 1280
    memory = WHISPER.memory(3, 100, 1, 1500)
    assert memory.cache_B == 2 * 3 * 32 * 1600 * 2 * 1280
    assert memory.weights_B == 2 * 1_543_490_560
    t5 = published("t5-base")
    assert t5.encoder is not None
    alone = weights(replace(t5, encoder=None))
    assert weights(t5) == alone + weights(t5.encoder) - 32128 * 768


def test_a_batch() -> None:
    """The source is read once; of N tokens the first comes with it, the others see a cache of 2 to N."""
    one = WHISPER.prefill(4, 1500).time_s
    each = [WHISPER.decode(4, many, 1500).time_s for many in (2, 3, 4)]
    assert WHISPER.generated_s(4, 1500, 4) == pytest.approx(one + sum(each))
    assert WHISPER.generated_s(4, 1500, 1) == one


def test_chips_share_both() -> None:
    """Two chips have half of the heads and widths each, and three sums in a layer of the decoder."""
    system, model = load_system("8xh100"), published("whisper-large-v3")
    shared = Predictor(model, "h100", system=system, parallel=Parallel(tensor=2), shared=H100)
    decoder = rows(shared.prefill(2, 1500), "layer")
    sums = [name for name in decoder if name.startswith("all-reduce")]
    assert len(sums) == 3
    assert decoder["attention to the source"].step.operations == 2 * 1500 * 1280
    assert shared.memory(1, 10, 1, 1500).cache_B == WHISPER.memory(1, 10, 1, 1500).cache_B / 2
    for name in ("pipeline", "context"):
        bad = Predictor(model, "h100", system=system, parallel=Parallel(**{name: 2}), shared=H100)
        with pytest.raises(FusemaxError, match=f"{name}=2: not modelled for an encoder with a decoder"):
            bad.decode(2, 10, 1500)


def test_a_source_is_said_where_there_is_one() -> None:
    """One token more of a model with an encoder needs what it read; no other model has that."""
    with pytest.raises(FusemaxError, match=r"whisper-large-v3 \(whisper\) needs tokens of a source"):
        WHISPER.decode(1, 10)
    llama = Predictor(published("llama-3.1-8b"), "h100", shared=H100)
    with pytest.raises(FusemaxError, match="has no encoder"):
        llama.decode(1, 10, 1500)


def test_an_encoder_alone() -> None:
    """A T5EncoderModel is an encoder: it reads, and does not decode."""
    model = published("t5-v1.1-xxl-encoder")
    predictor = Predictor(model, "h100", shared=H100)
    assert predictor.prefill(1, 512).time_s > 0
    with pytest.raises(FusemaxError, match="is an encoder"):
        predictor.decode(1, 512)


def test_the_order_of_a_layer() -> None:
    """Attention to the source stands between the two parts, and each of the three has a norm."""
    for name in ("t5", "bart", "whisper"):
        predictor = Predictor(small(name), "h100", shared=H100)
        names = [row.step.name for row in predictor.prefill(1, 4).rows if row.step.part == "layer"]
        assert (
            names.index("attention") < names.index("attention to the source") < names.index("feed-forward in")
        )
        assert names.count("norm") == 3
