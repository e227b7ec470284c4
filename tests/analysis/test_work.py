"""Operations of Einsums: what they cost does not depend on the order of factors and terms."""

from __future__ import annotations

from itertools import permutations

import pytest

from fusemax.analysis.work import Operation, operations, plain_operations
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.machine import load_machine
from fusemax.mapping.units import missing_operations

CASCADE = """
title: t
source: s
inputs: {{{inputs}}}
outputs: [Y]
einsums: |
  Y[r,n] = {expression} :: sum[k]
"""


SHAPES = {"A": "[R, K]", "B": "[K]", "C": "[K, N]", "Z": "[R]"}


def cascade_of(expression: str) -> Cascade:
    """A cascade of one Einsum with the inputs that it reads."""
    inputs = ", ".join(f"{name}: {ranks}" for name, ranks in SHAPES.items() if f"{name}[" in expression)
    return cascade_from_text(CASCADE.format(expression=expression, inputs=inputs))


def done(expression: str) -> list[tuple[str, frozenset[str]]]:
    """Names and variables of the operations of an expression that is summed over k."""
    cascade = cascade_of(expression)
    return [(one.name, one.variables) for one in operations(cascade, cascade.einsum("Y"))]


ALL = frozenset("rkn")


@pytest.mark.parametrize("order", list(permutations(["A[r,k]", "B[k]", "C[k,n]"])))
def test_products_cost_the_same_in_any_order(order: tuple[str, ...]) -> None:
    """Two products for each r, k and n, the second with the sum; brackets change nothing."""
    first, second, third = order
    assert done("*".join(order)) == [("mul", ALL), ("mac", ALL)]
    assert done(f"{first}*({second}*{third})") == [("mul", ALL), ("mac", ALL)]
    assert done(f"2*{first}*{second}*3*{third}") == [("mul", ALL), ("mul", ALL), ("mac", ALL)]
    assert done(f"{first}*{second}*{third}/Z[r]") == done(f"{first}/Z[r]*{second}*{third}")


@pytest.mark.parametrize("order", list(permutations(["A[r,k]", "B[k]", "C[k,n]"])))
def test_sums_cost_the_same_in_any_order(order: tuple[str, ...]) -> None:
    """Two additions for each point, and the one over k; a difference may come anywhere."""
    first, second, third = order
    assert done("+".join(order)) == [("add", ALL)] * 3
    assert done(f"{first} - {second} + {third}") == done(f"{first} + {third} - {second}")
    assert done(f"exp({first} - {second} + {third})") == done(f"exp({first} + {third} - {second})")


def test_a_function_of_fewer_variables_is_done_once_for_each_of_its_points() -> None:
    """The root is taken for each r, the products for all."""
    expression = "A[r,k]*sqrt(Z[r])*C[k,n]"
    assert done(expression) == [("sqrt", frozenset("r")), ("mul", ALL), ("mac", ALL)]


def test_the_first_operation_of_a_chain_reads_two_tensors() -> None:
    """Later ones read one each, and what is there."""
    cascade = cascade_of("A[r,k]*B[k]*C[k,n]")
    first, last = operations(cascade, cascade.einsum("Y"))
    assert isinstance(first, Operation)
    assert (first.reads, last.reads) == (("A", "B"), ("C",))


def test_an_addition_to_a_sum_of_products_is_an_accumulation() -> None:
    """A matrix unit starts from what is there; sums of exponentials, and of what is no product, it does not do on the way."""
    cascade = load_cascade("attention/1-pass")
    done_by = {
        name: [one.name for one in operations(cascade, cascade.einsum(name))] for name in ("RNV", "RD", "SLD")
    }
    (whole,) = operations(cascade, cascade.einsum("RNV"))

    assert done_by == {"RNV": ["accumulate"], "RD": ["add"], "SLD": ["add"]}
    assert [part.name for part in whole.parts] == ["add"]
    assert [one.name for one in plain_operations(cascade, cascade.einsum("RNV"))] == ["add"]


@pytest.mark.parametrize("machine", ["h100", "rtx4090", "mi300x"])
def test_matrix_units_of_gpus_do_no_other_additions(machine: str) -> None:
    """A sum of exponentials cannot be bound to them, whatever it would cost."""
    described, _ = load_machine(machine)
    cascade = load_cascade("attention/1-pass")
    (total,) = operations(cascade, cascade.einsum("SLD"))
    (onto,) = operations(cascade, cascade.einsum("RNV"))
    matrix = [unit for unit, one in described.units.items() if "accumulate" in one.operations]

    assert matrix
    for unit in matrix:
        assert missing_operations(described, unit, total) == ["add"]
        assert not missing_operations(described, unit, onto)
