"""Read a Hugging Face ``config.json`` (or the same keys as YAML): one entry of :data:`READERS` for each kind of model.

What a key means is taken from the public configurations and the modelling code of the transformers library. Every size that a
reader needs has to be there and to fit the others; a kind of model that has no reader is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusemax.errors import Problem, ProblemsError
from fusemax.model.shape import Attention, Experts, FeedForward, LatentAttention, Layer, Model, StateSpace
from fusemax.nearest import meant
from fusemax.source import Document, KeyPath, read_yaml

LARGEST = 2**31
DEEPEST = 100_000  #: the most layers of a model
DEPTHS = ("num_hidden_layers", "n_layer")


class Keys:
    """The keys of a configuration: what is asked for is checked, what never is asked for is listed."""

    def __init__(self, document: Document, at: KeyPath = ()) -> None:
        self.document, self.at = document, at
        data = document.data
        for step in at:
            data = data[step]
        self.data: Mapping[str, Any] = data
        self.problems: list[Problem] = []
        self.used: set[str] = set()

    def fail(self, key: str, text: str, hint: str | None = None) -> None:
        """Note what is wrong with the value of *key*."""
        self.problems.append(self.document.problem((*self.at, key), text, hint, key=key not in self.data))

    def has(self, key: str) -> bool:
        """Return whether *key* is there with a value other than null."""
        self.used.add(key)
        return self.data.get(key) is not None

    def count(self, key: str, *others: str, default: int | None = None, least: int = 1) -> int:
        """Return the whole number at *key*, or at the first of *others* that is there."""
        most, said = (DEEPEST, str(DEEPEST)) if key in DEPTHS else (LARGEST, "2^31")
        name = next((name for name in (key, *others) if self.has(name)), key)
        value = self.data.get(name)
        if value is None:
            if default is None:
                self.fail(key, "required key is missing")
            return default or 1
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fail(name, f"expected a whole number from {least} to {said}, got {value!r}")
            return max(1, least)
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """Return whether *key* says true."""
        if not self.has(key):
            return default
        value = self.data[key]
        if not isinstance(value, bool):
            self.fail(key, f"expected true or false, got {value!r}")
        return bool(value)

    def one_of(self, key: str, known: tuple[str, ...], default: str) -> None:
        """Note a mistake unless the word at *key*, or *default* where there is none, is *known*."""
        word = self.data[key] if self.has(key) else default
        if word not in known:
            self.fail(key, f"{word!r} is not understood", f"there are: {', '.join(known)}")

    def divides(self, key: str, whole: int, part: int, what: str) -> None:
        """Note a mistake at *key* unless *part* divides *whole*."""
        if whole % part:
            self.fail(key, f"{what}: {part} does not divide {whole}")

    def unused(self) -> tuple[str, ...]:
        """Return the keys that nobody asked for."""
        return tuple(key for key in self.data if key not in self.used)


def load_model(path: Path | str) -> Model:
    """Return the model that the configuration at *path* describes; a folder stands for the ``config.json`` in it.

    Raises
    ------
    ProblemsError
        Naming every key that is missing, of the wrong kind or contradicts others, with its place.
    """
    path = Path(path)
    path = path / "config.json" if path.is_dir() else path
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise ProblemsError(
            [document.problem((), "expected a configuration: keys with values, as in config.json")]
        )
    return model_of(document, path.parent.name if path.stem == "config" else path.stem)


def model_of(document: Document, name: str) -> Model:
    """Return the model that *document* describes, under *name*."""
    top = Keys(document)
    kind = document.data.get("model_type")
    top.used |= {"model_type", "architectures"}
    if not isinstance(kind, str) or kind not in READERS:
        hint = meant(str(kind), READERS) if kind is not None else f"there are: {', '.join(READERS)}"
        raise ProblemsError(
            [document.problem(("model_type",), f"the kind of model {kind!r} is not understood", hint)]
        )
    inside = ("text_config",) if isinstance(document.data.get("text_config"), dict) else ()
    keys = Keys(document, inside)
    keys.used |= {"model_type", "architectures"}
    model = READERS[kind](keys, name, kind)
    if keys.problems:
        raise ProblemsError(keys.problems)
    return replace(model, unused=keys.unused())


# --- parts that many kinds share


def _attention(keys: Keys, d_model: int, window: int | None = None, qk_norm: bool = False, sinks: bool = False,
               biased: bool = False) -> Attention:  # fmt: skip
    heads = keys.count("num_attention_heads", "n_head")
    kv_heads = keys.count("num_key_value_heads", default=heads)
    if not keys.has("head_dim"):
        keys.divides("num_attention_heads", d_model, heads, "heads share hidden_size")
    dim = keys.count("head_dim", default=max(1, d_model // heads))
    keys.divides("num_key_value_heads", heads, kv_heads, "groups of query heads")
    bias = (heads + 2 * kv_heads) * dim + (d_model if sinks else 0) if biased else 0
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=dim,
        value_dim=dim,
        window=window,
        qk_norm=qk_norm,
        sinks=sinks,
        biases=bias,
    )


#: Activations that are understood; each costs its bytes, so that their names alone are checked.
ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "gelu_new", "swish", "relu")


def _feed_forward(keys: Keys, name: str = "intermediate_size") -> FeedForward:
    key = next((key for key in ("hidden_act", "hidden_activation") if key in keys.data), "hidden_act")
    keys.one_of(key, ACTIVATIONS, "silu")
    return FeedForward(d_ff=keys.count(name), gated=True)


def _window(keys: Keys) -> int | None:
    return keys.count("sliding_window") if keys.has("sliding_window") else None


def _decoder(
    keys: Keys, name: str, kind: str, layers: tuple[Layer, ...], order: tuple[int, ...] = ()
) -> Model:
    return Model(
        name=name, kind=kind, d_model=keys.count("hidden_size"), vocabulary=keys.count("vocab_size"), layers=layers,
        tied=keys.flag("tie_word_embeddings"), head=keys.count("vocab_size"), order=order,
    )  # fmt: skip


def _alternating(
    keys: Keys, full: Callable[[int | None], Layer], every: int
) -> tuple[tuple[Layer, ...], tuple[int, ...]]:
    """Return the layers with and without a window and their order, as ``layer_types`` or a period of *every* layers says."""
    depth, window = keys.count("num_hidden_layers"), _window(keys)
    depth = min(depth, DEEPEST)
    whole = [window is None or number % every == every - 1 for number in range(depth)]
    if keys.has("layer_types"):
        kinds, known = keys.data["layer_types"], ("sliding_attention", "full_attention")
        if not isinstance(kinds, list) or len(kinds) != depth or any(kind not in known for kind in kinds):
            keys.fail("layer_types", f"expected a list of {depth} words of: {', '.join(known)}")
        else:
            whole = [kind == "full_attention" for kind in kinds]
    if not all(whole) and window is None:
        keys.fail("sliding_window", "layers with a window need its length")
    found = [(whole.count(False), window), (whole.count(True), None)]
    layers = tuple(replace(full(wide), times=times) for times, wide in found if times)
    return layers, tuple(int(wide) for wide in whole) if len(layers) > 1 else ()


# --- one reader for each kind


def _llama(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    biased = keys.flag("attention_bias", default=kind == "qwen2")
    qk_norm = kind in ("qwen3", "qwen3_moe")
    windowed = kind == "mistral" or (keys.flag("use_sliding_window") if kind.startswith("qwen") else False)
    window = _window(keys) if windowed else None
    feed_forward = _feed_forward(keys)
    layer = Layer(
        mixer=_attention(keys, d_model, window, qk_norm, biased=biased), feed_forward=feed_forward,
        times=keys.count("num_hidden_layers"),
    )  # fmt: skip
    return _decoder(keys, name, kind, (layer,))


def _mixtral(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    experts = Experts(
        count=keys.count("num_local_experts"),
        per_token=keys.count("num_experts_per_tok"),
        expert=_feed_forward(keys),
    )
    _chosen(keys, experts)
    mixer = _attention(keys, d_model, _window(keys))
    return _decoder(
        keys, name, kind, (Layer(mixer=mixer, feed_forward=experts, times=keys.count("num_hidden_layers")),)
    )


def _chosen(keys: Keys, experts: Experts) -> None:
    if experts.per_token > experts.count:
        keys.fail("num_experts_per_tok", f"a token takes {experts.per_token} of {experts.count} experts")


def _qwen_experts(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    expert = FeedForward(d_ff=keys.count("moe_intermediate_size"), gated=True)
    experts = Experts(
        count=keys.count("num_experts"), per_token=keys.count("num_experts_per_tok"), expert=expert
    )
    _chosen(keys, experts)
    keys.has("decoder_sparse_step")
    mixer = _attention(keys, d_model, qk_norm=True, biased=keys.flag("attention_bias"))
    return _decoder(
        keys, name, kind, (Layer(mixer=mixer, feed_forward=experts, times=keys.count("num_hidden_layers")),)
    )


def _deepseek(keys: Keys, name: str, kind: str) -> Model:
    mixer = LatentAttention(
        heads=keys.count("num_attention_heads"), nope_dim=keys.count("qk_nope_head_dim"),
        rope_dim=keys.count("qk_rope_head_dim"), value_dim=keys.count("v_head_dim"),
        q_rank=keys.count("q_lora_rank") if keys.has("q_lora_rank") else None, kv_rank=keys.count("kv_lora_rank"),
    )  # fmt: skip
    depth, dense = keys.count("num_hidden_layers"), keys.count("first_k_dense_replace", default=0, least=0)
    if dense > depth:
        keys.fail("first_k_dense_replace", f"more than the {depth} layers")
    width = keys.count("moe_intermediate_size")
    shared = keys.count("n_shared_experts", default=0, least=0) if keys.has("n_shared_experts") else 0
    experts = Experts(
        count=keys.count("n_routed_experts"), per_token=keys.count("num_experts_per_tok"),
        expert=FeedForward(d_ff=width, gated=True),
        shared=FeedForward(d_ff=width * shared, gated=True) if shared else None,
        router_biases=keys.count("n_routed_experts") if kind == "deepseek_v3" else 0,
    )  # fmt: skip
    _chosen(keys, experts)
    first = Layer(mixer=mixer, feed_forward=_feed_forward(keys), times=max(dense, 1))
    rest = Layer(mixer=mixer, feed_forward=experts, times=max(depth - dense, 1))
    layers = ((first,) if dense else ()) + ((rest,) if depth > dense else ())
    return _decoder(keys, name, kind, layers)


def _gemma(keys: Keys, name: str, kind: str) -> Model:
    d_model, third = keys.count("hidden_size"), kind.startswith("gemma3")
    feed_forward = _feed_forward(keys)

    def layer(window: int | None) -> Layer:
        mixer = _attention(keys, d_model, window, qk_norm=third)
        return Layer(mixer=mixer, feed_forward=feed_forward, times=1, norms=4)

    every = keys.count("sliding_window_pattern", default=6 if third else 2)
    model = _decoder(keys, name, kind, *_alternating(keys, layer, every))
    return replace(model, tied=keys.flag("tie_word_embeddings", default=True))


def _gpt_oss(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    width = keys.count("intermediate_size")
    expert = FeedForward(d_ff=width, gated=True, biases=2 * width + d_model)
    count = keys.count("num_local_experts")
    experts = Experts(
        count=count,
        per_token=keys.count("num_experts_per_tok", "experts_per_token"),
        expert=expert,
        router_biases=count,
    )
    _chosen(keys, experts)

    def layer(window: int | None) -> Layer:
        return Layer(
            mixer=_attention(keys, d_model, window, sinks=True, biased=True), feed_forward=experts, times=1
        )

    return _decoder(keys, name, kind, *_alternating(keys, layer, 2))


def _gpt_j(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("n_embd")
    width = keys.count("n_inner") if keys.has("n_inner") else 4 * d_model
    layer = Layer(
        mixer=_attention(keys, d_model), feed_forward=FeedForward(d_ff=width, gated=False, biases=width + d_model),
        times=keys.count("n_layer"), norms=1, parallel=True,
    )  # fmt: skip
    vocabulary = keys.count("vocab_size")
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=vocabulary, layers=(layer,), norm="layer", head=vocabulary,
        tied=keys.flag("tie_word_embeddings"), extra_weights=vocabulary,
    )  # fmt: skip


def _gpt_2(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("n_embd")
    width = keys.count("n_inner") if keys.has("n_inner") else 4 * d_model
    mixer = _with_biases(_attention(keys, d_model), d_model)
    layer = Layer(
        mixer=mixer,
        feed_forward=FeedForward(d_ff=width, gated=False, biases=width + d_model),
        times=keys.count("n_layer"),
    )
    vocabulary = keys.count("vocab_size")
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=vocabulary, layers=(layer,), norm="layer", rotary=False,
        positions=keys.count("n_positions"), tied=keys.flag("tie_word_embeddings", default=True), head=vocabulary,
    )  # fmt: skip


def _with_biases(mixer: Attention, d_model: int) -> Attention:
    return replace(mixer, biases=(mixer.heads + 2 * mixer.kv_heads) * mixer.head_dim + d_model)


def _encoder(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    width = keys.count("intermediate_size")
    layer = Layer(
        mixer=_with_biases(_attention(keys, d_model), d_model),
        feed_forward=FeedForward(d_ff=width, gated=False, biases=width + d_model),
        times=keys.count("num_hidden_layers"),
    )  # fmt: skip
    if kind == "vit":
        side, patch = keys.count("image_size"), keys.count("patch_size")
        keys.divides("patch_size", side, patch, "patches of an image")
        patches = (side // max(1, patch)) ** 2 + 1
        embedding = patch**2 * keys.count("num_channels", default=3) * d_model + 2 * d_model
        return Model(
            name=name, kind=kind, d_model=d_model, vocabulary=0, layers=(layer,), norm="layer", rotary=False, causal=False,
            positions=patches, extra_weights=embedding,
        )  # fmt: skip
    types = keys.count("type_vocab_size", default=2)
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        rotary=False, causal=False, positions=keys.count("max_position_embeddings"), extra_weights=types * d_model,
    )  # fmt: skip


def _mamba_2(keys: Keys, name: str, kind: str) -> Model:
    d_model = keys.count("hidden_size")
    mixer = StateSpace(
        heads=keys.count("num_heads"), head_dim=keys.count("head_dim"), state=keys.count("state_size"),
        groups=keys.count("n_groups", default=1), taps=keys.count("conv_kernel", default=4),
    )  # fmt: skip
    expand = keys.count("expand", default=2)
    if mixer.inner != expand * d_model:
        keys.fail(
            "num_heads",
            f"num_heads * head_dim is {mixer.inner}, but expand * hidden_size is {expand * d_model}",
        )
    layer = Layer(mixer=mixer, feed_forward=None, times=keys.count("num_hidden_layers"), norms=1)
    return _decoder(keys, name, kind, (layer,))


Reader = Callable[[Keys, str, str], Model]
READERS: Mapping[str, Reader] = {
    "llama": _llama, "mistral": _llama, "qwen2": _llama, "qwen3": _llama, "mixtral": _mixtral,
    "qwen3_moe": _qwen_experts, "deepseek_v2": _deepseek, "deepseek_v3": _deepseek, "gemma2": _gemma, "gemma3": _gemma,
    "gemma3_text": _gemma, "gpt_oss": _gpt_oss, "gptj": _gpt_j, "gpt2": _gpt_2, "bert": _encoder, "vit": _encoder,
    "mamba2": _mamba_2,
}  # fmt: skip
