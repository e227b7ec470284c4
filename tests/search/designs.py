"""Random small designs for the mapper: cascades of two to seven Einsums, machines of two to four levels, small ranks."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade
from fusemax.library.load import Library
from fusemax.machine import Machine

CASCADES = {
    "chain": """
        inputs: {A: [I, K], B: [K, J], C: [J, L]}
        outputs: [Z]
        einsums: |
          Y[i,j] = A[i,k]*B[k,j] :: sum[k]
          Z[i,l] = Y[i,j]*C[j,l] :: sum[j]
        """,
    "softmax": """
        inputs: {X: [M, P]}
        outputs: [A]
        einsums: |
          GM[p]   = X[m,p] :: max[m]
          SN[m,p] = exp(X[m,p] - GM[p])
          SD[p]   = SN[m,p] :: sum[m]
          A[m,p]  = SN[m,p]/SD[p]
        """,
    "norm": """
        inputs: {X: [D, P], W: [F, D]}
        outputs: [Y]
        einsums: |
          S[p]   = X[d,p]*X[d,p] :: sum[d]
          N[d,p] = X[d,p]/S[p]
          Y[f,p] = W[f,d]*N[d,p] :: sum[d]
        """,
    "attention": """
        batch: [B]
        inputs: {Q: [E, P], K: [E, M], V: [F, M]}
        outputs: [AV]
        einsums: |
          QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
          GM[p]   = QK[m,p] :: max[m]
          SN[m,p] = exp(QK[m,p] - GM[p])
          SD[p]   = SN[m,p] :: sum[m]
          A[m,p]  = SN[m,p]/SD[p]
          AV[f,p] = A[m,p]*V[f,m] :: sum[m]
        """,
    "online": """
        inputs: {Q: [E, P], K: [E, M]}
        outputs: [Z]
        einsums: |
          RM[0,p] = -inf
          RD[0,p] = 0
          loop m1:
            BQK[m1,m0,p] = Q[e,p]*K[e,m1*M0+m0] :: sum[e]
            LM[m1,p]     = BQK[m1,m0,p] :: max[m0]
            RM[m1+1,p]   = max(RM[m1,p], LM[m1,p])
            SN[m1,m0,p]  = exp(BQK[m1,m0,p] - RM[m1+1,p])
            SD[m1,p]     = SN[m1,m0,p] :: sum[m0]
            PR[m1,p]     = exp(RM[m1,p] - RM[m1+1,p])
            RD[m1+1,p]   = RD[m1,p]*PR[m1,p] + SD[m1,p]
          Z[p] = RM[M1,p]*RD[M1,p]
        """,
    "scan": """
        inputs: {A: [T], X: [D, T]}
        outputs: [Y]
        einsums: |
          S[0,d] = 0
          loop t:
            S[t+1,d] = A[t]*S[t,d] + X[d,t]
          Y[d] = S[T,d]*S[T,d]
        """,
}
OPERATIONS = ("mac", "mul", "add", "sub", "max", "div", "exp")


@dataclass(frozen=True, slots=True)
class Example:
    """A design to search: what it is called, cascade, machine, sizes."""

    name: str
    cascade: Cascade
    machine: Machine
    sizes: dict[str, int]
    text: str


def cascade_text(name: str) -> str:
    """Return the file of the cascade called *name*."""
    lines = [line.removeprefix("        ") for line in CASCADES[name].strip("\n").split("\n")]
    return f"title: {name}\nsource: our own\n" + "\n".join(lines) + "\n"


def _cascade(name: str) -> Cascade:
    return Library().cascade(cascade_text(name))


def example(seed: int) -> Example:
    """Return the random design of *seed*."""
    chance = random.Random(seed)
    name = chance.choice(list(CASCADES))
    cascade = _cascade(name)
    text = machine_text(chance)
    sizes = {size: chance.randint(1, 7) for size in cascade.size_symbols() if size not in ("M0", "M1")} | (
        {"M": chance.randint(1, 7)} if name == "online" else {}
    )
    return Example(f"{name} {seed} {sizes}", cascade, Library().machine(text), sizes, text)


def tiny(seed: int) -> Example:
    """Return a random design whose space is small enough to be listed more often than not: ranks of 1 to 4, few lanes."""
    chance = random.Random(seed)
    name = chance.choice(list(CASCADES))
    cascade = _cascade(name)
    text = machine_text(chance, small=True)
    sizes = {
        size: chance.choice([1, 1, 2, 3, 4]) for size in cascade.size_symbols() if size not in ("M0", "M1")
    }
    if name == "online":
        sizes["M"] = chance.randint(1, 4)
    return Example(f"{name} {seed} {sizes}", cascade, Library().machine(text), sizes, text)


def machine_text(chance: random.Random, small: bool = False) -> str:
    """Return a random machine: sizes so small that some tiles do not fit, units that lack some operations.

    A *small* one has units of one dimension, and mostly one unit.
    """
    rows = [
        "title: small",
        "source: our own",
        "clock: 1 GHz",
        "word: 2 B",
        f"replicas: {chance.choice([1, 1, 1, 3])}",
        "levels:",
    ]
    rows += [
        f"  DRAM: {{bandwidth: {chance.choice([1, 4, 20])} GB/s, line: 2 B, energy: {{read: 9 pJ, write: 8 pJ}}}}"
    ]
    for number in range(chance.choice([1, 1, 2, 3]) if small else chance.randint(1, 3)):
        size = chance.choice([40, 120, 4000]) // (number + 1)
        extra = chance.choice(["", ", ports: 1", ", bandwidth: 8 GB/s"])
        rows.append(
            f"  L{3 - number}: {{size: {size} B, line: 4 B, energy: {{read: 2 pJ, write: 3 pJ}}{extra}}}"
        )
    rows.append("units:")
    units = chance.choice([1, 1, 1, 2]) if small else chance.randint(1, 2)
    for number, name in enumerate(["first", "second"][:units]):
        shape = chance.choice(
            ["{lanes: 2}", "{lanes: 1}", "{lanes: 1}"]
            if small
            else ["{rows: 2, columns: 3}", "{lanes: 4}", "{lanes: 1}"]
        )
        part = 0.2 if small else 0.6
        known = (
            OPERATIONS if number == 0 else tuple(o for o in OPERATIONS if chance.random() < part) or ("mac",)
        )
        done = ", ".join(f"{o}: {chance.randint(1, 3)}" for o in known)
        energies = ", ".join(f"{o}: {chance.randint(1, 5)} pJ" for o in known)
        depth = chance.choice(["", f"    registers: {{depth: {chance.choice([8, 64])}}}\n"])
        rows += [
            f"  {name}:",
            f"    shape: {shape}",
            f"    operations: {{{done}}}",
            f"    energy: {{{energies}}}",
        ]
        if depth:
            rows.append(depth.rstrip("\n"))
    return "\n".join(rows) + "\n"
