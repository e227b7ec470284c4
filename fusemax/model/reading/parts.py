"""Parts that configurations of many kinds of models say with the same keys: heads, widths, windows, the order of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fusemax.model.reading.keys import DEEPEST, DEPTHS, HEADS, INNER, WIDTHS, Keys
from fusemax.model.shape import Attention, Experts, FeedForward, Layer, Model

#: Activations by the name that configurations give them: what they compute (formulas: ``fusemax.model.layers.forward``).
ACTIVATIONS = {
    "silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_python": "gelu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh", "gelu_python_tanh": "gelu_tanh", "gelu_10": "gelu", "quick_gelu": "quick_gelu",
    "relu": "relu", "relu2": "relu2", "squared_relu": "relu2", "xielu": "xielu",
}  # fmt: skip
ACTIVATION_KEYS = ("hidden_act", "hidden_activation", "activation_function", "activation", "ffn_act_fn")
WINDOWED, WHOLE = "sliding_attention", "full_attention"


def width(keys: Keys) -> int:
    """Return the features of a token between layers."""
    return keys.count(*WIDTHS)


def depth(keys: Keys) -> int:
    """Return the number of layers."""
    return keys.count(*DEPTHS)


def turned(keys: Keys, dim: int, default: float = 1.0) -> int:
    """Return how many of *dim* elements of a head its position turns."""
    if keys.has("rotary_dim"):
        found = keys.count("rotary_dim")
        if found > dim or found % 2:
            keys.fail(
                "rotary_dim", f"expected an even number of at most {dim}, the elements of a head, got {found}"
            )
        return min(found, dim)
    place = keys
    if not keys.has("partial_rotary_factor") and isinstance(keys.data.get("rope_parameters"), dict):
        place = keys.inside("rope_parameters") or keys
    part = place.number(
        "partial_rotary_factor", "rotary_pct", "rotary_percent", "rope_pct", default=default, most=1.0
    )
    return int(part * dim) // 2 * 2


def attention(keys: Keys, d_model: int, **more: Any) -> Attention:
    """Return attention with the heads that *keys* say; *more* are other fields, ``rotary`` as a part (1 if not given)."""
    heads = keys.count(*HEADS)
    names = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
    kv_heads = keys.count(*names, default=heads)
    dim_names = ("head_dim", "kv_channels", "attention_head_dim")
    if not any(keys.has(name) for name in dim_names):
        keys.divides(HEADS, d_model, heads, "heads share hidden_size")
    dim = keys.count(*dim_names, default=max(1, d_model // heads))
    keys.divides(names, heads, kv_heads, "groups of query heads")
    part = more.pop("rotary", 1.0)
    return Attention(
        heads=heads, kv_heads=kv_heads, head_dim=dim, value_dim=dim, rotary=turned(keys, dim, part) if part else 0, **more
    )  # fmt: skip


def activation(keys: Keys, default: str = "silu") -> str:
    """Return what the activation computes: one of :data:`ACTIVATIONS`' values."""
    return ACTIVATIONS[keys.word(*ACTIVATION_KEYS, known=tuple(ACTIVATIONS), default=default)]


def feed_forward(
    keys: Keys,
    *names: str,
    gated: bool = True,
    biased: bool = False,
    default: int | None = None,
    act: str = "silu",
) -> FeedForward:
    """Return a dense part as wide as the first of *names* says (``intermediate_size`` and its other names if not given)."""
    d_ff = keys.count(*(names or INNER), default=default)
    return FeedForward(d_ff=d_ff, gated=gated, biased=biased, activation=activation(keys, act))


def chosen(keys: Keys, experts: Experts, name: str = "num_experts_per_tok") -> Experts:
    """Return *experts*; note a mistake where a token takes more of them than there are."""
    if experts.per_token > experts.count:
        keys.fail(name, f"a token takes {experts.per_token} of {experts.count} experts")
    return experts


def window(keys: Keys) -> int | None:
    """Return the length of the window, if there is one."""
    return keys.count("sliding_window") if keys.has("sliding_window") or keys.get("sliding_window") else None


def period(keys: Keys, every: int | None) -> int | None:
    """Return which layers have no window, each n-th: as a number or a period in letters (LLLG) says, *every* if none does."""
    for key in ("sliding_window_pattern", "_sliding_window_pattern"):
        if isinstance(keys.data.get(key), str):
            keys.used.add(key)
            every = len(keys.data[key]) or every
        elif every is not None:
            every = keys.count(key, default=every)
    return every


def alternating(keys: Keys, every: int | None, length: int | None = None) -> list[int | None]:
    """Return the window of each layer: as ``layer_types`` says, or all but each *every*-th one have it (None: all or none)."""
    layers = min(depth(keys), DEEPEST)
    length = window(keys) if length is None else length
    kinds = keys.words("layer_types", layers, (WINDOWED, WHOLE))
    if kinds is None:
        narrow = [
            length is not None and (every is None or number % every != every - 1) for number in range(layers)
        ]
    else:
        narrow = [kind == WINDOWED for kind in kinds]
    if any(narrow) and length is None:
        keys.fail("sliding_window", "layers with a window need its length")
    return [length if is_narrow else None for is_narrow in narrow]


def numbered(keys: Keys, key: str) -> list[bool] | None:
    """Return what the list of a 0 or 1 for each layer at *key* says; None where there is none."""
    said, layers = keys.get(key), depth(keys)
    if said is None:
        return None
    if not isinstance(said, list) or len(said) != layers or any(one not in (0, 1) for one in said):
        keys.fail(key, f"expected a list of {layers} numbers: 0 or 1")
        return None
    return [bool(one) for one in said]


def worded(keys: Keys, key: str, yes: str, no: str) -> list[bool] | None:
    """Return which layers the list of words at *key* calls *yes*; None where there is none."""
    said = keys.words(key, depth(keys), (yes, no))
    return None if said is None else [word == yes for word in said]


def ordered(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], tuple[int, ...]]:
    """Return the kinds of layers among *layers* (one for each), how often each stands there, and their order.

    >>> a, b = (Layer(mixer=None, feed_forward=None, times=1, norms=n) for n in (1, 2))
    >>> [layer.times for layer in ordered([a, b, a])[0]], ordered([a, b, a])[1]
    ([2, 1], (0, 1, 0))
    """
    kinds: dict[Layer, int] = {}
    numbers = [kinds.setdefault(layer, len(kinds)) for layer in layers]
    counts = [0] * len(kinds)
    for number in numbers:
        counts[number] += 1
    found = tuple(replace(layer, times=times) for layer, times in zip(kinds, counts, strict=True))
    return found, tuple(numbers) if numbers != sorted(numbers) else ()


def each(keys: Keys, layer: Callable[[int], Layer]) -> tuple[tuple[Layer, ...], tuple[int, ...]]:
    """Return the layers that *layer* makes for each number, as :func:`ordered` has them."""
    return ordered([layer(number) for number in range(min(depth(keys), DEEPEST))])


def decoder(
    keys: Keys,
    name: str,
    kind: str,
    layers: tuple[Layer, ...],
    order: tuple[int, ...] = (),
    tied: bool = False,
    **more: Any,
) -> Model:
    """Return the model of *layers* with a table of tokens and logits; *more* are other fields of it."""
    vocabulary = keys.count("vocab_size", "padded_vocab_size")
    return Model(
        name=name, kind=kind, d_model=width(keys), vocabulary=vocabulary, layers=layers, order=order,
        tied=keys.flag("tie_word_embeddings", default=tied), head=vocabulary, **more,
    )  # fmt: skip
