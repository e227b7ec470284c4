"""Keys that an indexer chooses (DeepSeek-V3.2, GLM-5): words and multiply-adds by hand."""

from __future__ import annotations

import pytest

from fusemax.errors import FusemaxError
from fusemax.model.parallel import Parallel
from fusemax.model.passed import Passed, Row
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.system import load_system
from fusemax.model.weights import cache, mixer_weights, weights
from tests.model.configs import published

H100 = Prices("h100", Widths())
V32 = Predictor(published("deepseek-v3.2"), "h100", shared=H100)
DRAM_BPS = 3053e9


def layer(passed: Passed) -> dict[str, Row]:
    """The steps of the layers with experts by name."""
    return {row.step.name: row for row in passed.rows if row.step.part == "layer 2"}


def test_weights_of_an_indexer() -> None:
    """64 heads of 128 from queries of rank 1536, one key from 7168 features with a norm, a weight for each head."""
    own = 1536 * 64 * 128 + 7168 * 128 + 2 * 128 + 7168 * 64
    assert weights(V32.model) == weights(published("deepseek-v3")) + 61 * own


def test_what_is_kept() -> None:
    """A latent vector, its rotary part, and the indexer's key; layers that share a choice keep no key."""
    assert cache(V32.model, 2, 1000) == 2 * 1000 * 61 * (512 + 64 + 128)


def test_one_token_more() -> None:
    """Of 65,536 keys all have a score and 2,048 are attended to, in 128 splits of 64 whose sums are merged."""
    rows = layer(V32.decode(4, 65536))
    scores, attention, choice = (
        rows[name] for name in ("scores of the indexer", "attention", "choice of keys")
    )
    read = 4 * 65536 * 128 * 2 + 4 * 65536 * 4  # keys of 16 bits, and scores of 32
    assert scores.step.operations == 4 * 65536 * 64 * (128 + 1)
    assert read <= scores.price.traffic_B <= 1.05 * read
    assert read / DRAM_BPS <= scores.price.time_s <= 1.35 * (read / DRAM_BPS + 4e-6)
    assert choice.price.traffic_B == 2 * 2 * 4 * (65536 + 2048)
    assert attention.step.operations == 4 * 2048 * 128 * (2 * 512 + 64)
    latent, splits = 4 * 2048 * (512 + 64) * 2, 4 * 2048 // 64
    sums = (
        splits * 128 * (512 + 2) * 4 * 2
    )  # a numerator, a maximum and a denominator of each head, out and back
    queries = splits * 128 * (512 + 64) * 2
    assert latent + sums <= attention.price.traffic_B <= 1.02 * (latent + sums + queries)
    plain = layer(Predictor(published("deepseek-v3"), "h100", shared=H100).decode(4, 65536))
    assert plain["attention"].price.time_s > 3 * attention.price.time_s


def test_short_sequences_have_no_choice() -> None:
    """With 2,048 keys or fewer all of them are attended to, as in DeepSeek-V3; the indexer's key is kept still."""
    for passed in (V32.decode(2, 2048), V32.prefill(1, 2048)):
        rows = layer(passed)
        assert "key, weights of the indexer" in rows
        assert not {"scores of the indexer", "choice of keys"} & set(rows)
    assert "keys, values" in layer(V32.prefill(1, 2048))


def test_a_long_prompt() -> None:
    """Each query of 4,096 scores the keys up to its own and attends to 2,048 at the most, in the latent space."""
    rows = layer(V32.prefill(2, 4096))
    pairs = 4096 * 4097 // 2
    assert rows["scores of the indexer"].step.operations == 2 * pairs * 64 * 129
    seen = sum(min(p + 1, 2048) for p in range(4096))
    keys = -(-seen // 4096)  # the mean, rounded up
    assert rows["attention"].step.operations == 2 * 4096 * keys * 128 * (2 * 512 + 64)
    assert "keys, values" not in rows
    assert rows["queries to latent"].step.operations == 128 * 2 * 4096 * 128 * 512


def test_chips() -> None:
    """Every chip of a tensor group has the whole indexer; sequences that chips share are refused."""
    system = load_system("8xh100")
    shared = Predictor(V32.model, "h100", system=system, parallel=Parallel(tensor=8), shared=H100)
    one, eight = layer(V32.decode(4, 65536)), layer(shared.decode(4, 65536))
    name = "scores of the indexer"
    assert one[name].step.operations == eight[name].step.operations
    assert one["attention"].step.operations == 8 * eight["attention"].step.operations
    bad = Predictor(V32.model, "h100", system=system, parallel=Parallel(context=2), shared=H100)
    with pytest.raises(
        FusemaxError, match="context=2: keys that an indexer chooses are not modelled over chips"
    ):
        bad.decode(4, 65536)


def test_layers_that_share_a_choice() -> None:
    """GLM-5 with an indexer in one layer of four: the others have none of its weights, keys and steps."""
    from fusemax.model.config import model_of
    from fusemax.source import document_of
    from tests.model.configs import MORE

    keys = {**MORE["glm-5"]["config"], "index_topk_freq": 4}
    model = model_of(document_of(str(keys).replace("'", '"'), "c.yaml"), "glm")
    own = [layer for layer in model.layers if layer.mixer.indexer is not None]  # type: ignore[union-attr]
    rest = [layer for layer in model.layers if layer.mixer.indexer is None]  # type: ignore[union-attr]
    assert sum(one.times for one in own) == 21  # 0 and 1, and 5, 9 ... 77
    assert sum(one.times for one in rest) == 57
    more = mixer_weights(own[0].mixer, 6144) - mixer_weights(rest[0].mixer, 6144)
    assert more == 2048 * 32 * 128 + 6144 * 128 + 2 * 128 + 6144 * 32
    passed = Predictor(model, "h100", shared=H100).decode(1, 8192)
    assert sum(row.step.times for row in passed.rows if row.step.name == "choice of keys") == 21
    assert sum(row.step.times for row in passed.rows if row.step.name == "attention") == 78
