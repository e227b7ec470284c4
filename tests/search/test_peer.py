"""A peer's optimum on a public machine: the TPU v4i of AccelForge's regression file, and commands timed in pairs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fusemax.library.load import Library
from fusemax.search.answer import best_mapping

ROOT = Path(__file__).parent.parent.parent
#: AccelForge, commit 1c1929c2: its machine and, in tests/regression_reference.json, what its mapper calls optimal.
MACHINE = """
title: TPU v4i
source: AccelForge's regression file, commit 1c1929c2
clock: 1.05 GHz
word: 1 B
replicas: 4
levels:
  DRAM: {bandwidth: 614 GB/s, line: 1 B, energy: {read: 56.24 pJ, write: 56.24 pJ}}
  buffer: {size: 128 MiB, bandwidth: {read: 2048 GB/s, write: 1024 GB/s}, line: 1 B, energy: {read: 15.04 pJ, write: 18.88 pJ}}
  local: {size: 4 MiB, per_core: true, line: 1 B, energy: {read: 1.992 pJ, write: 2.344 pJ}}
units:
  array: {shape: {rows: 128, columns: 128}, operations: {mac: 1}, energy: {mac: 0.084 pJ}}
"""
PRODUCTS = """
title: two products, one after another
source: our own
inputs: {A: [I, K], B: [K, J], C: [J, L]}
outputs: [Z]
einsums: |
  Y[i,j] = A[i,k]*B[k,j] :: sum[k]
  Z[i,l] = Y[i,j]*C[j,l] :: sum[j]
"""
#: A layer with the softmax as a copy of the scores, as the peer has it, on lanes of their own.
LAYER = """
title: a layer of GPT-3
source: our own
inputs: {X: [D, P], WQ: [H, E, D], WK: [H, E, D], WV: [H, E, D], WO: [N, H, E], W1: [F, N], W2: [G, F]}
outputs: [Z]
ranks: {M: P}
einsums: |
  Q[h,e,p] = X[d,p]*WQ[h,e,d] :: sum[d]
  K[h,e,m] = X[d,m]*WK[h,e,d] :: sum[d]
  V[h,e,m] = X[d,m]*WV[h,e,d] :: sum[d]
  QK[h,m,p] = Q[h,e,p]*K[h,e,m] :: sum[e]
  S[h,m,p] = exp(QK[h,m,p])
  AV[h,e,p] = S[h,m,p]*V[h,e,m] :: sum[m]
  Y[n,p] = AV[h,e,p]*WO[n,h,e] :: sum[h,e]
  U[f,p] = Y[n,p]*W1[f,n] :: sum[n]
  Z[g,p] = U[f,p]*W2[g,f] :: sum[f]
"""
SCALAR = "  scalar: {shape: {lanes: 128}, operations: {exp: 1}, energy: {exp: 0 pJ}}\n"
FUSED = {"latency_s": 3.04762e-8, "energy_J": 1.82295e-6, "traffic_B": (98304 + 32768) / 8}


@pytest.mark.parametrize("objective", ["latency", "traffic"])
def test_two_products_are_no_slower_and_move_no_more_than_the_peers_optimum(objective: str) -> None:
    """Two products of 64 cubed: 16 KiB at 614 GB/s are 26.7 ns; the peer's wait for 2*64**3 products on one array."""
    library = Library()
    sizes = dict.fromkeys("IJKL", 64)
    answer = best_mapping(library.cascade(PRODUCTS), library.machine(MACHINE), sizes, objective=objective)

    assert answer.cost.traffic_B == FUSED["traffic_B"] == 4 * 64 * 64
    assert answer.cost.latency_s <= FUSED["latency_s"]
    assert answer.cost.latency_s == pytest.approx(4 * 64 * 64 / 614e9)
    assert answer.cost.energy_J <= FUSED["energy_J"]


@pytest.mark.slow
def test_a_layer_of_gpt_3_moves_less_than_the_peers_optimum() -> None:
    """2,048 tokens of a layer of GPT-3 175B, for traffic: the peer moves 3.14e10 bits. Weights alone are 1.45e10."""
    library = Library()
    sizes = {"D": 12288, "H": 96, "E": 128, "P": 2048, "N": 12288, "F": 49152, "G": 12288}
    answer = best_mapping(
        library.cascade(LAYER), library.machine(MACHINE + SCALAR), sizes, objective="traffic", by_work=True
    )

    assert 12 * 12288**2 < answer.bound.traffic_B <= answer.cost.traffic_B <= (3.0199e10 + 1.2080e9) / 8


def test_commands_are_timed_in_pairs() -> None:
    """A command that sleeps longer has the larger ratio in every pair; one that fails is told with its last line."""
    quick, slow = (f"{sys.executable} -c 'import time; time.sleep({seconds})'" for seconds in (0, 0.5))
    script = [sys.executable, str(ROOT / "benchmarks/paired.py")]
    done = subprocess.run([*script, slow, quick, "--pairs", "2"], capture_output=True, text=True, check=True)
    failed = subprocess.run(
        [*script, quick, f"{sys.executable} -c 'raise ValueError(7)'"],
        capture_output=True,
        text=True,
        check=False,
    )

    rows = [line.split() for line in done.stdout.splitlines()[1:3]]
    assert all(float(row[1]) > 0.5 and float(row[3]) > 1 for row in rows)
    assert "clock: median ratio" in done.stdout
    assert failed.returncode == 1
    assert "ended with 1\n" in failed.stderr
    assert "ValueError: 7" in failed.stderr
