"""Whole layers as cascades: norms where a model has them, a mixer, a feed-forward part, residuals; and the logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade
from fusemax.cascade.write import quoted
from fusemax.model.layers.attention import attention_lines, cross_lines, latent_lines
from fusemax.model.layers.forward import activated, apart_lines, dense_lines, experts_lines
from fusemax.model.layers.lines import Lines, joined, linear, lines, normed
from fusemax.model.layers.states import state_lines, state_space_lines
from fusemax.model.shape import Attention, Beside, Experts, FeedForward, LatentAttention, Layer, Model

EPS = 1e-6  #: what norms add below the root; models have 1e-5 or 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A layer as a cascade: its YAML ``text``, how often it stands in the model, and the sizes that the model gives it."""

    name: str
    times: int
    text: str
    sizes: Mapping[str, int]

    @property
    def cascade(self) -> Cascade:
        """The checked cascade."""
        return cascade_from_text(self.text, self.name)


def written(model: Model) -> tuple[Written, ...]:
    """Return each kind of layer of *model* as a cascade of one sequence of P tokens, and what makes the logits.

    ``X[d,p]`` goes in, ``Y[.,p]`` comes out. Ranks O and N are the features D once more. The layers of an encoder stand last.
    """
    found: list[Written] = []
    for number, layer in enumerate(model.layers):
        name = "layer" if len(model.layers) == 1 else f"layer-{number + 1}"
        body = _layer(model, layer)
        sizes = {"D": model.d_model, **body.sizes}
        found.append(
            Written(name=name, times=layer.times, text=_text(model, _titled(model, layer), body), sizes=sizes)
        )
    if model.head:
        body = normed(model.norm, "X", "XN", "d,p", "d", tag="1") + lines(
            "Y[v,p] = WV[v,d]*XN[d,p] :: sum[d]", WV="V D"
        )
        sizes = {"D": model.d_model, "V": model.head}
        found.append(
            Written(name="logits", times=1, text=_text(model, "last norm and logits", body), sizes=sizes)
        )
    if model.encoder is not None:
        found += [replace(one, name=f"encoder-{one.name}") for one in written(model.encoder)]
    return tuple(found)


def _layer(model: Model, layer: Layer) -> Lines:
    """Return all Einsums of one layer, from X[d,p] to Y."""
    mixer, part = layer.mixer, layer.feed_forward
    parts: list[Lines] = []
    now, rank = "X", "d"
    if mixer is not None:
        parts += [_before(model, layer, "X", "d", "1"), _mixer(model, layer, _source(layer, "X", "1"))]
        mixed = "AB" if isinstance(mixer, Beside) else "AO"
        out, more = _behind(model, layer, mixed, "o", "3")
        parts.append(more)
        if layer.parallel and part is not None:
            return joined([*parts, _beside(model, layer, out)])
        to = "Y" if part is None else "Z"
        parts.append(_added(model, layer, "X", out, "o", to, "1"))
        now, rank = to, "o"
    if layer.cross is not None:
        parts.append(_crossed(model, layer, layer.cross))
        now = "U"
    if part is not None:
        if rank == "d":  # no mixer: the features are called as they are behind one
            parts.append(lines("Z[o,p] = X[o,p]"))
            now = "Z"
        parts += [_before(model, layer, now, "o", "2"), _part(layer, _source(layer, now, "2"), now)]
        out, more = _behind(model, layer, "FO", "n", "4")
        parts += [more, _added(model, layer, now, out, "n", "YB" if layer.table else "Y", "2")]
        parts.append(_tabled(model, layer))
    follows = {"O": "D", **({"N": "D"} if part is not None else {})}
    return joined([*parts, Lines(follows=follows)])


def _tabled(model: Model, layer: Layer) -> Lines:
    """Return the sum Y of YB and what a table of the layer's own adds: its row PI of a token under a gate, widened, normed."""
    if not layer.table:
        return Lines()
    part = layer.feed_forward
    act = part.activation if isinstance(part, FeedForward) else "gelu_tanh"
    found = [
        linear("PG", "u,p", "WPG[u,n]", "YB[n,p]", "n"),
        lines(f"PA[u,p] = {activated(act, 'PG[u,p]', 'PI[u,p]')}", PI="U P"),
        linear("PO", "b,p", "WPO[b,u]", "PA[u,p]", "u"),
        normed(model.norm, "PO", "PN", "b,p", "b", tag="9"),
        lines("Y[b,p] = YB[b,p] + PN[b,p]"),
    ]
    said = ("PI is a token's row in the table of this layer; a factor of the whole layer is left out",)
    return joined([*found, Lines(sizes={"U": layer.table}, follows={"B": "D"}, said=said)])


def _crossed(model: Model, layer: Layer, cross: Attention) -> Lines:
    """Return attention to the tokens of the encoder, from Z[o,p] to U[o,p], with its norm and residual."""
    before, after = layer.place == "before", layer.place == "after"
    found = [normed(model.norm, "Z", "UN", "o,p", "o", tag="5") if before else Lines()]
    found.append(cross_lines(cross, "UN" if before else "Z"))
    found.append(lines(f"{'UR' if after else 'U'}[o,p] = Z[o,p] + CX[o,p]"))
    found.append(normed(model.norm, "UR", "U", "o,p", "o", tag="5") if after else Lines())
    return joined(found)


def _beside(model: Model, layer: Layer, mixed: str) -> Lines:
    """Return a feed-forward part beside the mixer, and the sum of both with the input."""
    own = layer.norms > 1
    found = [normed(model.norm, "X", "XM", "o,p", "o", tag="2") if own else Lines()]
    found.append(_part(layer, "XM" if own else "XN"))
    scale = "" if model.residual == 1 else f"{model.residual:.12g}*"
    found.append(lines(f"Y[n,p] = X[n,p] + {scale}({mixed}[n,p] + FO[n,p])"))
    return joined([*found, Lines(follows={"O": "D", "N": "D"})])


def _source(layer: Layer, name: str, tag: str) -> str:
    """Return the tensor that a part reads: a normalised one where a norm stands before it."""
    return {"1": "XN", "2": "ZN"}[tag] if _has_norm(layer, tag) else name


def _has_norm(layer: Layer, tag: str) -> bool:
    """Return whether a norm stands before a layer's mixer (1) or its feed-forward part (2)."""
    return layer.place in ("before", "around") and not (layer.bare and tag == "1")


def _before(model: Model, layer: Layer, name: str, rank: str, tag: str) -> Lines:
    if not _has_norm(layer, tag):
        return Lines()
    return normed(model.norm, name, _source(layer, name, tag), f"{rank},p", rank, tag=tag)


def _behind(model: Model, layer: Layer, name: str, rank: str, tag: str) -> tuple[str, Lines]:
    """Return the norm between a part and the residual, where there is one, and the name of what comes out."""
    if layer.place not in ("around", "branch"):
        return name, Lines()
    return f"{name}N", normed(model.norm, name, f"{name}N", f"{rank},p", rank, tag=tag)


def _added(model: Model, layer: Layer, name: str, out: str, rank: str, to: str, tag: str) -> Lines:
    """Return the sum of a part with its input, normalised where norms stand after the sums."""
    scale = "" if model.residual == 1 else f"{model.residual:.12g}*"
    index = f"[{rank},p]"
    inputs = {f"LS{tag}": rank.upper()} if layer.scaled else {}
    more = f"*LS{tag}[{rank}]" if layer.scaled else ""
    if layer.place != "after":
        return lines(f"{to}{index} = {name}{index} + {scale}{out}{index}{more}", **inputs)
    total = lines(f"{to}R{index} = {name}{index} + {scale}{out}{index}{more}", **inputs)
    return total + normed(model.norm, f"{to}R", to, f"{rank},p", rank, tag=tag)


def _mixer(model: Model, layer: Layer, x: str) -> Lines:
    mixer = layer.mixer
    assert mixer is not None
    if isinstance(mixer, Attention):
        return attention_lines(mixer, x, model.causal, model.norm)
    if isinstance(mixer, Beside):
        both = attention_lines(mixer.attention, x, model.causal, model.norm)
        both += state_space_lines(mixer.state, x, "SO", "WSO")
        said = ("factors of single parts (multipliers) are left out",)
        return both + lines("AB[o,p] = AO[o,p] + SO[o,p]") + Lines(said=said)
    return latent_lines(mixer, x) if isinstance(mixer, LatentAttention) else state_lines(mixer, x)


def _part(layer: Layer, x: str, before: str = "X") -> Lines:
    part = layer.feed_forward
    assert part is not None
    if isinstance(part, Experts) and part.apart:
        return apart_lines(part, x, before)
    return experts_lines(part, x) if isinstance(part, Experts) else dense_lines(part, x)


def _titled(model: Model, layer: Layer) -> str:
    names = {
        "Attention": "attention", "LatentAttention": "latent attention", "StateSpace": "Mamba-2", "SelectiveScan": "Mamba",
        "GatedDelta": "gated delta rule", "Beside": "attention beside Mamba-2", "KimiDelta": "Kimi delta attention",
        "ShortConvolution": "short convolution", "Lightning": "lightning attention",
        "FeedForward": "feed-forward", "Experts": "experts", "NoneType": "",
    }  # fmt: skip
    parts = [names[type(part).__name__] for part in (layer.mixer, layer.feed_forward)]
    if isinstance(layer.mixer, Attention) and layer.mixer.window is not None:
        parts[0] += f" in {'pieces' if layer.mixer.chunked else 'a window'} of {layer.mixer.window}"
    if layer.cross is not None:
        parts.insert(1, "attention to the encoder")
    return " and ".join(filter(None, parts))


def _text(model: Model, title: str, body: Lines) -> str:
    rows = [
        f"title: {quoted(f'{model.name}, {title}')}",
        f"source: {quoted(f'the configuration of {model.name}, a {model.kind}')}",
    ]
    if body.said:
        rows += ["doc: >-", *(f"  {text[0].upper()}{text[1:]}." for text in body.said)]
    rows += [
        "inputs:",
        "  X: [D, P]",
        *(f"  {name}: [{', '.join(ranks)}]" for name, ranks in body.inputs.items()),
    ]
    if body.follows:
        rows.append(f"ranks: {{{', '.join(f'{name}: {size}' for name, size in body.follows.items())}}}")
    free = [name for name in ("W",) if any(f"{name}" in _sizes_read(line) for line in body.einsums)]
    inputs = {rank for ranks in body.inputs.values() for rank in ranks}
    if free and "W" not in inputs:
        rows.append("sizes: [W]")
    if "eps" in "\n".join(body.einsums):
        rows.append(f"constants: {{eps: {EPS}}}")
    rows += ["outputs: [Y]", "einsums: |", *(f"  {line}" for line in body.einsums)]
    return "\n".join(rows) + "\n"


def _sizes_read(line: str) -> set[str]:
    """Return the capital letters that stand alone in the condition of an Einsum."""
    import re

    return set(re.findall(r"\b[A-Z]\b", line.partition("|")[2]))
