"""Closed forms of collectives against messages on a graph of links, and the choice of algorithms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.model.collectives import ALL_GATHER, ALL_REDUCE, ALL_TO_ALL, Group
from fusemax.model.links import complete, noded, ring, simulated_s, switched
from fusemax.model.nodes import phases, ring_rounds, ring_s
from fusemax.model.system import System, load_system, systems
from fusemax.model.torus import exchange_s, gather_s
from fusemax.shipped import find_machine

ALGORITHMS = {
    **{f"all-reduce {name}": entry for name, entry in ALL_REDUCE.items()},
    **{f"all-gather {name}": entry for name, entry in ALL_GATHER.items()},
    **{f"all-to-all {name}": entry for name, entry in ALL_TO_ALL.items()},
}


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
@given(n=st.integers(2, 9), size_B=st.floats(1, 1e9), round_s=st.floats(0, 1e-5))
def test_closed_forms(name: str, n: int, size_B: float, round_s: float):
    """The formula is the time of the messages on links around a switch."""
    entry = ALGORITHMS[name]
    group = Group(n=n, bandwidth_Bps=1e11, round_s=round_s)

    simulated = simulated_s(switched(n, 1e11), entry.rounds(n, size_B), round_s)

    assert entry.time_s(group, size_B) == pytest.approx(simulated, rel=1e-12)


def test_rings_need_no_switch():
    """A ring of links carries the ring's messages as fast as a switch does; messages to all take longer on it."""
    group = Group(n=6, bandwidth_Bps=1e11, round_s=1e-6)
    time_s = ALL_REDUCE["ring"].time_s(group, 6e6)
    assert time_s == pytest.approx(
        simulated_s(ring(6, 1e11), ALL_REDUCE["ring"].rounds(6, 6e6), 1e-6), rel=1e-12
    )
    direct_s = simulated_s(ring(6, 1e11), ALL_REDUCE["two-shot"].rounds(6, 6e6), 1e-6)
    assert direct_s > ALL_REDUCE["two-shot"].time_s(group, 6e6)


@pytest.mark.parametrize(
    "name", ["all-reduce one-shot", "all-reduce two-shot", "all-gather direct", "all-to-all direct"]
)
@given(n=st.integers(2, 9), size_B=st.floats(1, 1e9), round_s=st.floats(0, 1e-5))
def test_a_link_to_every_other(name: str, n: int, size_B: float, round_s: float):
    """What is sent to all at once fills the links of a complete graph, as it fills those to a switch."""
    entry = ALGORITHMS[name]
    simulated = simulated_s(complete(n, 1e11), entry.rounds(n, size_B), round_s)
    assert entry.time_s(Group(n=n, bandwidth_Bps=1e11, round_s=round_s), size_B) == pytest.approx(
        simulated, rel=1e-12
    )


def test_fewer_chips_of_a_complete_graph():
    """Two of eight MI300X have one of the seven links of each: 64 GB/s, of which 0.7 are reached (by hand)."""
    system = load_system("8xmi300x")
    time_s, _ = system.collective("all-to-all", 2e9, 2, "rccl")
    filled_B = 2e9 + 8.3e6
    assert time_s == pytest.approx(11.4e-6 + 3e-6 + filled_B / 2 / (64e9 * 0.7))
    time_s, _ = system.collective("all-to-all", 2e9, 8, "rccl")
    assert time_s == pytest.approx(11.4e-6 + 3e-6 + filled_B * 7 / 8 / (448e9 * 0.7))


@given(nodes=st.integers(2, 4), inner=st.integers(1, 5), size_B=st.floats(1, 1e9), round_s=st.floats(0, 1e-5),
       cards=st.floats(0.02, 3))  # fmt: skip
def test_rings_through_nodes(nodes: int, inner: int, size_B: float, round_s: float, cards: float):
    """The formula is the time of the messages; every chip gets what every other had."""
    graph = noded(nodes, inner, 1e11, cards * 1e11)
    rounds = list(ring_rounds(1, size_B, nodes, inner))
    assert ring_s(1, size_B, nodes, inner, 1e11, cards * 1e11, round_s) == pytest.approx(
        simulated_s(graph, rounds, round_s), rel=1e-9
    )
    chips = [(node, place) for node in range(nodes) for place in range(inner)]
    for start in range(inner):  # ring by ring: what came last goes on
        held = {chip: {chip} for chip in chips}
        newest = {chip: chip for chip in chips}
        for messages in rounds:
            own = messages[start * len(chips) : (start + 1) * len(chips)]
            newest = {to: newest[source] for source, to, _ in own}
            for chip, number in newest.items():
                held[chip].add(number)
        assert all(numbers == set(chips) for numbers in held.values())


@given(nodes=st.integers(2, 4), inner=st.integers(2, 5), size_B=st.floats(1, 1e8), round_s=st.floats(0, 1e-5))
def test_phases_over_nodes(nodes: int, inner: int, size_B: float, round_s: float):
    """Rings inside nodes and between them, phase by phase: the sum of their formulas is the time of all messages."""
    graph = noded(nodes, inner, 4e11, 5e10)
    total_s = simulated = 0.0
    for part in phases("all-reduce", size_B, nodes, inner, 1, 1):
        entry = ALL_REDUCE["ring"] if part.operation == "all-reduce" else ALL_GATHER["ring"]
        inside = part.where == "inside"
        group = Group(n=part.n, bandwidth_Bps=4e11 if inside else 5e10, round_s=round_s)
        total_s += entry.time_s(group, part.size_B)
        rounds = [
            [
                ((other, a), (other, b), size) if inside else ((a, other), (b, other), size)
                for a, b, size in messages
                for other in range(nodes if inside else inner)
            ]
            for messages in entry.rounds(part.n, part.size_B)
        ]
        simulated += simulated_s(graph, rounds, round_s)
    assert total_s == pytest.approx(simulated, rel=1e-9)


def test_two_nodes():
    """Groups inside a node touch no card; one chip of each node has its card alone; the send is by hand."""
    one, two = load_system("8xh100"), load_system("2x8xh100")
    for operation in ("all-reduce", "all-to-all", "send"):
        assert two.collective(operation, 1e6, 8) == one.collective(operation, 1e6, 8)
        assert two.collective(operation, 1e6, 16)[0] > one.collective(operation, 1e6, 8)[0]
    time_s, _ = two.collective("send", 47e6, 2, stride=8)
    assert time_s == pytest.approx(5.1e-6 + 4e-6 + (47e6 + 0.5e6) / 47e9)
    # 1 GB over 16 chips around rings: NVIDIA tells 46 to 48 GB/s of a card, the rings inside a node reach 0.65 of 450 GB/s
    time_s, name = two.collective("all-reduce", 1e9)
    assert name == "nccl ring through nodes"
    assert 2 * 15 / 16 * 1e9 / time_s == pytest.approx(0.65 * 450e9 * 8 / 7, rel=0.03)
    assert two.energy_J("all-gather", 16e6, 16) == pytest.approx(1e6 * 160e-12 + 14e6 * 80e-12)
    with pytest.raises(FusemaxError, match="a group of 3 chips, 6 apart, does not divide over nodes of 8"):
        two.collective("all-reduce", 1e6, 3, stride=6)


def test_by_hand():
    """Four chips, 4 MB, 100 GB/s, 1 us a round: the ring takes 6 rounds of 1 MB; one shot takes three buffers at once."""
    group = Group(n=4, bandwidth_Bps=100e9, round_s=1e-6)
    assert ALL_REDUCE["ring"].time_s(group, 4e6) == pytest.approx(6 * (1e-6 + 10e-6))
    assert ALL_REDUCE["one-shot"].time_s(group, 4e6) == pytest.approx(1e-6 + 120e-6)
    assert ALL_REDUCE["two-shot"].time_s(group, 4e6) == pytest.approx(2 * (1e-6 + 30e-6))
    assert ALL_REDUCE["tree"].time_s(group, 4e6) == pytest.approx(4 * (1e-6 + 40e-6))


@pytest.mark.parametrize("name", sorted(systems()))
def test_shipped_systems(name: str):
    """Every operation on each; more bytes never take less time; groups of all sizes that tile the chips; chips that exist."""
    system = load_system(name)
    assert find_machine(system.chip).is_file()
    for operation in ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send"):
        times = [system.collective(operation, 2.0**power)[0] for power in range(8, 31)]
        assert times == sorted(times)
    largest = system.collective("all-reduce", 1 << 30)[1]
    assert largest.endswith(("ring", "in-network", "rccl two-shot", "ring through nodes"))
    assert system.collective("all-reduce", 1e6, 1) == (0.0, "nothing to do")
    assert 0 < system.collective("all-gather", 1e6, 2)[0] < system.collective("all-gather", 1e8, 2)[0]
    assert system.links.energy is not None


def test_libraries_choose_by_size():
    """On eight H100: one shot for small sums, two shots, then NCCL, whose switch adds up the large ones; rings on two."""
    system = load_system("8xh100")
    chosen = [system.collective("all-reduce", size_B)[1] for size_B in (1 << 10, 1 << 20, 1 << 26)]
    assert chosen == ["custom one-shot", "custom two-shot", "nvls in-network"]
    assert system.collective("all-reduce", 1 << 26, 2)[1] == "nccl ring"


def test_a_pod_cut_in_two():
    """A v5e pod moves 1.6 TB/s from one half to the other (Cloud TPU documentation): that is what all-to-all waits for."""
    system = load_system("tpu-v5e-16x16")
    sides = system.group(256, 1)
    size_B = 1e9
    across_B = 128 * size_B / 2  # each chip of one half sends half of its buffer to the other half
    latency_s = 0.0
    assert exchange_s(sides, size_B, latency_s) == pytest.approx(across_B / 1.6e12)
    # and its all-reduce moves twice a buffer through the four links of each chip: 51.2 TB/s over 256 chips
    assert 2 * gather_s(sides, size_B, 0.0) == pytest.approx(
        2 * size_B * 255 / 256 / (51.2e12 / 256), rel=1e-9
    )


#: Measured by NVIDIA's aiconfigurator project (repository ai-dynamo/aiconfigurator at 095f58a51c4c), us: nccl-tests on eight
#: H100 (NCCL 2.29) and A100 (NCCL 2.27), and the all-reduce of vLLM on H100. Some of the rows that constants were fitted to.
MEASURED = [
    ("8xh100", "nccl", "all-reduce", 8, 2048, 15.68), ("8xh100", "nvls", "all-reduce", 8, 67108864, 324.5),
    ("8xh100", "nccl", "all-gather", 8, 67108864, 208.1), ("8xh100", "nccl", "reduce-scatter", 4, 524288, 10.07),
    ("8xa100", "nccl", "all-reduce", 4, 67108864, 544.3), ("8xa100", "nccl", "all-gather", 2, 134217728, 496.4),
    ("8xa100", "p2p", "all-to-all", 8, 268435456, 1197.9), ("8xh100", "p2p", "all-to-all", 8, 67108864, 221.29),
    ("8xh100", "custom", "all-reduce", 8, 2097152, 19.39), ("8xh100", "nvls", "all-reduce", 8, 1073741824, 4008.0),
]  # fmt: skip


@pytest.mark.parametrize(("system", "library", "operation", "n", "size_B", "time_us"), MEASURED)
def test_measured(system: str, library: str, operation: str, n: int, size_B: float, time_us: float):
    """Within a third of what was measured."""
    time_s, _ = load_system(system).collective(operation, size_B, n, library)
    assert time_s * 1e6 == pytest.approx(time_us, rel=0.34)


def test_mistakes(tmp_path: Path):
    """An unknown system, an unknown algorithm and numbers without units are told."""
    with pytest.raises(FusemaxError, match=r"no system called '8xh10'; did you mean '8xh100'\?"):
        load_system("8xh10")
    wrong = tmp_path / "s.yaml"
    wrong.write_text(
        "title: t\nsource: s\nchip: h100\nchips: 8\nlinks: {topology: switch, bandwidth: 450}\n"
        "libraries: {a: {start: 1 us, round: 1 us, algorithms: [rings]}}\n"
    )
    with pytest.raises(
        FusemaxError, match=r"links\.bandwidth: expected a quantity in B/s, got 450 without a unit"
    ):
        load_system(str(wrong))
    wrong.write_text(wrong.read_text().replace("450", "450 GB/s"))
    with pytest.raises(
        FusemaxError, match=r"s\.yaml:6:\d+: .*no algorithm 'rings'\n  hint: did you mean 'ring'\?"
    ):
        load_system(str(wrong))
    assert isinstance(load_system("8xh100"), System)


BETWEEN = (
    "between: {nodes: 2, links: {topology: switch, bandwidth: 50 GB/s}, "
    "libraries: {b: {start: 1 us, round: 1 us, algorithms: [tree]}}}\n"
)


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (("chip: h100", "chip: h1000"), "3:", "h1000"),
        (("sides: [2, 4], ", ""), "5:", "a torus needs its 'sides'"),
        (("sides: [2, 4]", "sides: [2, 3]"), "5:", "they hold 6 chips, but 'chips' is 8"),
        (("sides: [2, 4]", "sides: [2, 4], closed: [true]"), "5:", "expected 2 words, one for each side"),
        (("topology: torus", "topology: switch"), "5:", "a switch has none"),
        (("100 GB/s", "0 GB/s"), "5:", "expected nothing below 1 B/s"),
        (("algorithms: [ring]", "algorithms: [tree]"), "6:", "no algorithm 'tree' on a torus"),
        (("algorithms: [ring]", "fill: 1 MB, algorithms: [ring]"), "6:", "is not used on a torus"),
        (("topology: torus, sides: [2, 4]", "topology: complete"), "6:", "no algorithm 'ring' on a complete"),
        (("libraries:", BETWEEN + "libraries:"), "6:", "nodes whose chips are a torus are not modelled"),
        (
            ("libraries:", BETWEEN.replace("2,", "3,") + "libraries:"),
            "6:",
            "3 nodes do not divide the 8 chips",
        ),
        (
            ("libraries:", BETWEEN.replace("switch", "ring") + "libraries:"),
            "6:",
            "ring between nodes is not modelled",
        ),
        (("libraries:", BETWEEN.replace("[tree]", "[tee]") + "libraries:"), "6:", "no algorithm 'tee'"),
    ],
)
def test_mistakes_of_links(tmp_path: Path, change: tuple[str, str], place: str, message: str):
    """Links that contradict each other, with their place."""
    text = (
        "title: t\nsource: s\nchip: h100\nchips: 8\nlinks: {topology: torus, sides: [2, 4], bandwidth: 100 GB/s}\n"
        "libraries: {a: {start: 1 us, round: 1 us, algorithms: [ring]}}\n"
    )
    assert change[0] in text
    path = tmp_path / "s.yaml"
    path.write_text(text.replace(*change))
    with pytest.raises(FusemaxError, match=rf"s\.yaml:{place}.*") as refused:
        load_system(str(path))
    assert message in str(refused.value)
