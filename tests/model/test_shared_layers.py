"""Layers that share sets of weights, and tables narrower than the model: ALBERT, by hand."""

from __future__ import annotations

import pytest

from fusemax.model.config import model_of
from fusemax.model.parallel import Parallel
from fusemax.model.predict import Predictor
from fusemax.model.price import Prices, Widths
from fusemax.model.shape import Model
from fusemax.model.step import Pass
from fusemax.model.steps import steps_of
from fusemax.model.weights import chip_weights, layer_weights, weights
from fusemax.source import document_of
from tests.model.configs import published

SIZES = (
    "hidden_size: 8, num_attention_heads: 2, intermediate_size: 6, vocab_size: 7, max_position_embeddings: 9"
)
#: Tables of 7 tokens, 9 places and 2 kinds with their norm, 3 numbers each, and what makes 8 of 3.
TABLES = (7 + 9 + 2 + 2) * 3 + (3 + 1) * 8


def albert(layers: int, sets: int) -> Model:
    """A small one: tables of 3 numbers, *layers* that share *sets* of weights."""
    more = f"embedding_size: 3, num_hidden_layers: {layers}, num_hidden_groups: {sets}"
    return model_of(document_of(f"{{model_type: albert, {SIZES}, {more}}}", "c.yaml"), "a")


@pytest.mark.parametrize(
    ("sets", "pipeline", "held"),
    [  # layers 0 to 3 have sets 0011 or 0123 or 0000; two stages have 2 of them each, three have 2, 1 and 1
        (1, 1, [1]), (2, 1, [2]), (4, 1, [4]), (1, 2, [1, 1]), (2, 2, [1, 1]), (4, 2, [2, 2]), (2, 3, [1, 1, 1]),
        (4, 3, [2, 1, 1]),
    ],
)  # fmt: skip
def test_a_chip_holds_a_set_once(sets: int, pipeline: int, held: list[int]) -> None:
    """The first stage has the tables, and as many sets of weights as its layers have."""
    model = albert(4, sets)
    one = 4 * (8 * 8 + 8) + 2 * 6 * 8 + 6 + 8 + 2 * 2 * 8
    assert layer_weights(model, model.layers[0]) == one
    assert weights(model) == sets * one + TABLES
    # the norm of the tables counts as the last stage's, as wide as the model; the tables make up for the difference
    first = held[0] * one + TABLES - (2 * 8 if pipeline > 1 else 0)
    last = held[-1] * one + 2 * 8
    assert chip_weights(model, Parallel(pipeline=pipeline)) == max(first, last if pipeline > 1 else 0)


def test_work_is_that_of_layers_of_their_own() -> None:
    """Every layer runs; before them the tables' numbers are summed over chips and made as wide as the model."""
    model = albert(4, 1)
    plain = model_of(document_of(f"{{model_type: bert, {SIZES}, num_hidden_layers: 4}}", "c.yaml"), "b")
    run = Pass(batch=1, queries=5, keys=5)
    ours, theirs = steps_of(model, run), steps_of(plain, run)
    assert [step for step in ours if step.part == "layer"] == [
        step for step in theirs if step.part == "layer"
    ]
    first, second = ours[:2]
    assert (first.moved, second.operations) == (2 * 5 * 3, 5 * 3 * 8)
    shared = steps_of(model, Pass(batch=1, queries=5, keys=5, parallel=Parallel(tensor=2)))
    sums = [
        step.exchange.numbers for step in shared if step.part == "embedding" and step.exchange is not None
    ]
    assert sums == [5 * 3]


def test_memory_of_a_published_one() -> None:
    """Eleven million numbers of ALBERT base, of two bytes; a pass takes as long as BERT's layers, and the product before."""
    known = Prices("h100", Widths())
    one, other = (Predictor(published(name), "h100", shared=known) for name in ("albert-base", "bert-base"))
    assert one.memory(1, 128, 128).weights_B == 2 * 11092992
    assert one.prefill(1, 128).by_work()["feed-forward"] == other.prefill(1, 128).by_work()["feed-forward"]
