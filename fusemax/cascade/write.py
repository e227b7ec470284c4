"""A cascade as YAML text that loads again to the same cascade."""

from __future__ import annotations

from collections.abc import Iterable

from fusemax.cascade.ir import Cascade
from fusemax.cascade.monoid import Monoid


def cascade_to_yaml(cascade: Cascade) -> str:
    """Return the YAML text of *cascade*, in the form of the files in ``einsums/``.

    ``cascade_from_text(cascade_to_yaml(c))`` has the same ranks, tensors and Einsums as ``c``.
    """
    rows = [f"title: {quoted(cascade.title)}", f"source: {quoted(cascade.source)}"]
    if cascade.doc:
        rows += ["doc: |", *_indented(cascade.doc.rstrip("\n"))]
    if cascade.batch:
        rows.append(f"batch: {_list(cascade.batch)}")
    sizes = {name: rank.size for name, rank in cascade.ranks.items() if rank.size is not None}
    if sizes:
        rows += ["ranks:", *(f"  {name}: {quoted(str(size))}" for name, size in sizes.items())]
    if cascade.defaults:
        rows.append(
            f"defaults: {{{', '.join(f'{name}: {size}' for name, size in cascade.defaults.items())}}}"
        )
    if cascade.sizes:
        rows.append(f"sizes: {_list(cascade.sizes)}")
    if cascade.same:
        rows.append(f"same: [{', '.join(_list(group) for group in cascade.same)}]")
    if cascade.constants:
        rows += ["constants:", *(f"  {name}: {_number(value)}" for name, value in cascade.constants.items())]
    if cascade.reductions:
        rows += ["reductions:", *(_reduction(one) for one in cascade.reductions.values())]
    rows.append("inputs:")
    rows += [f"  {name}: {_list(cascade.tensors[name].ranks)}" for name in cascade.inputs]
    rows += [f"outputs: {_list(cascade.outputs)}", "einsums: |", *_indented(str(cascade))]
    return "\n".join(rows) + "\n"


def _reduction(one: Monoid) -> str:
    identity = ", ".join(quoted(_number(part)) for part in one.identity)
    join = ", ".join(quoted(str(part)) for part in one.join)
    return f"  {one.name}: {{identity: [{identity}], join: [{join}]}}"


def quoted(text: str) -> str:
    """Return *text* as a YAML scalar that always reads back as that text.

    >>> quoted("a 'quick' one: yes")
    "'a ''quick'' one: yes'"
    """
    one_line = " ".join(text.split())
    plain = one_line and one_line.replace(" ", "").isalnum() and one_line[0].isalpha()
    if plain and one_line.lower() not in ("true", "false", "null"):
        return one_line
    return "'" + one_line.replace("'", "''") + "'"


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"


def _indented(text: str) -> list[str]:
    return [f"  {line}" if line else "" for line in text.split("\n")]


def _number(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
