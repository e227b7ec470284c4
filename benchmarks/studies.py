"""Change the studies that come along as their users slip: ``check`` must refuse what ``run`` does, and nothing else.

``python benchmarks/studies.py --count 200`` makes so many slips in each study, made small first; ``--study NAME`` in one,
``--seed N`` others. What must not be is printed: a study that passes ``check`` and that ``run`` stops at, a traceback, a
message without a place. What is refused is kept in ``--out`` with what was said, to be read.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml
from limits import TooSlowError, timed

STUDIES = Path(__file__).parent.parent / "studies"
PLACE = re.compile(r"^\S.*?(?:\.yaml|\.csv|\.json)(?::\d+:\d+|:\d+)?: ")
MOST_S = 30.0
SHOWN = "16Ki"  #: the length of a prompt that figures of the models study show
Path_ = tuple[Any, ...]

# --- small ones


def _sweep(data: dict[str, Any]) -> None:
    data.pop("compare", None)
    for part in data["parts"]:
        for table in ("sizes", "grid"):
            for name, value in part.get(table, {}).items():
                if isinstance(value, list):
                    part[table][name] = value[:2]
                elif isinstance(value, dict):
                    part[table][name] = {**value, "steps": 2}


def _compared(data: dict[str, Any]) -> None:
    """Leave the comparison and all that it is about."""


def _codesign(data: dict[str, Any]) -> None:
    for part in data["parts"]:
        part["grid"] = {n: v[:1] if n not in ("M", "L3.size") else v for n, v in part.get("grid", {}).items()}


def _audit(data: dict[str, Any]) -> None:
    del data["corrections"][1]["search"]["FLAT"]["best_of"][0]["perhaps"]
    data["corrections"] = data["corrections"][:5]
    data["together"] = ["registers", "search", "exponential_unit"]
    data["ends"] = ["division"]


def _taxonomy(data: dict[str, Any]) -> None:
    data["mechanisms"] = data["mechanisms"][:4]
    data["lengths"] = data["lengths"][:2]
    data["buffers"] = data["buffers"][:4]


def _derivations(data: dict[str, Any]) -> None:
    names = ["attention/3-pass", "attention/2-pass", "softmax/stable"]
    data["cascades"] = names
    data["known"] = {name: data["known"][name] for name in names}


def _models(data: dict[str, Any]) -> None:
    data["models"] = dict(list(data["models"].items())[:2])
    data["systems"] = {name: data["systems"][name] for name in ("H100", "8 x H100", "FuseMax")}
    for phase in data["phases"]:
        phase["length"] = [phase["length"][0], SHOWN] if SHOWN in phase["length"] else phase["length"][:2]


def _gpu(data: dict[str, Any]) -> None:
    data["published"] = "gpu/few.csv"


SMALLER: dict[str, Callable[[dict[str, Any]], None]] = {
    "micro24": _sweep, "micro24-compared": _compared, "derived": _sweep, "designs": _sweep, "successors": _compared,
    "codesign": _codesign, "audit": _audit, "taxonomy": _taxonomy, "derivations": _derivations, "models": _models, "gpu": _gpu,
    "gpu-passes": lambda data: None,
}  # fmt: skip


def small(name: str) -> dict[str, Any]:
    """Return the study *name* with few points."""
    data = yaml.safe_load((STUDIES / f"{name.removesuffix('-compared')}.yaml").read_text(encoding="utf-8"))
    SMALLER[name](data)
    return data


# --- slips


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Yield the paths of all keys and entries of *value*."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*at, key)
            yield from places(inner, (*at, key))


def at(data: Any, path: Path_) -> Any:
    """Return what stands at *path*."""
    for key in path:
        data = data[key]
    return data


def put(data: Any, path: Path_, value: Any) -> None:
    """Put *value* at *path*."""
    at(data, path[:-1])[path[-1]] = value


def misspelt(dice: Random, text: str) -> str:
    """Return *text* with one letter lost, doubled, changed or swapped."""
    where = dice.randrange(len(text)) if text else 0
    return dice.choice(
        [
            text[:where] + text[where + 1 :],
            text[:where] + text[where : where + 1] * 2 + text[where + 1 :],
            text[:where] + "x" + text[where + 1 :],
            text[:where] + text[where + 1 : where + 2] + text[where : where + 1] + text[where + 2 :],
        ]
    )


def _key(dice: Random, data: Any, path: Path_) -> str:
    """Misspell a key."""
    holder = at(data, path[:-1])
    if isinstance(holder, list):
        return _lost(dice, data, path)
    old = path[-1]
    new = misspelt(dice, str(old))
    entries = [(new if key == old else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(entries)
    return f"key {old} -> {new}"


def _lost(dice: Random, data: Any, path: Path_) -> str:
    del at(data, path[:-1])[path[-1]]
    return "lost"


def _word(dice: Random, data: Any, path: Path_) -> str:
    """Misspell a value, or one word of it."""
    value = at(data, path)
    if not isinstance(value, str):
        return _number(dice, data, path)
    words = re.split(r"(\W+)", value)
    spots = [n for n, word in enumerate(words) if word and word[0].isalnum()]
    if not spots:
        return ""
    spot = dice.choice(spots)
    words[spot] = misspelt(dice, words[spot])
    put(data, path, "".join(words))
    return f"{value!r} -> {''.join(words)!r}"


def _number(dice: Random, data: Any, path: Path_) -> str:
    """Put a number that no size is, or a large one, or none at all, in place of a value."""
    new = dice.choice(
        [0, -1, -64, 1.5, 3, 7, 1e30, 10**18, "0", "-4Ki", "1Ki", "2Ti", "12 apples", "16 MiB", "1 GHz", "M*P", "Q+1", "M/0",
         "sqrt(M)", None, True, "", [], {}, [1], [8, 8], ["a"], {"a": 1}, "none", "any", "best"]
    )  # fmt: skip
    put(data, path, new)
    return f"-> {new!r}"


def _other(dice: Random, data: Any, path: Path_) -> str:
    """Put another value of the file in place of one, of the same type if there are such."""
    value = at(data, path)
    others = [at(data, other) for other in places(data) if path[: len(other)] != other]
    same = [other for other in others if type(other) is type(value) and other != value]
    new = deepcopy(dice.choice(same or others))
    put(data, path, new)
    return f"-> {str(new)[:60]!r}"


def _twice(dice: Random, data: Any, path: Path_) -> str:
    holder = at(data, path[:-1])
    if isinstance(holder, list):
        holder.append(deepcopy(holder[path[-1]]))
        return "twice"
    holder[f"{path[-1]}2"] = deepcopy(holder[path[-1]])
    return "another key"


COLUMNS = (
    "latency_s",
    "traffic_B",
    "energy_J",
    "seq_len",
    "model",
    "configuration",
    "machine",
    "mapping",
    "limit",
    "part",
    "fits",
    "reason",
    "area_m2",
    "utilization_2d",
    "value",
    "unit",
    "name",
    "einsum",
    "nosuch",
    "kind",
    "study",
    "energy_registers_J",
    "bound_s",
)
MORE = (
    ("kind", ("bars", "lines", "scatter", "stacks", "front", "heat", "roofline", "parity", "pie")),
    ("x", COLUMNS),
    ("y", COLUMNS),
    ("series", COLUMNS),
    ("panels", [[c] for c in COLUMNS]),
    ("baseline", ("unfused", "FLAT", "nobody")),
    ("ratio", ("value/baseline", "baseline/value", "x")),
    ("table", ("results", "breakdown", "comparison", "roofline", "nosuch")),
    ("log", ("x", "y", "xy", "none", "z")),
    ("unit", ("us", "ms", "J", "%", "GB", "furlong")),
    ("annotate", ("{pe_dim}", "{nosuch}", "{")),
    ("title", ("{seq_len}", "{part}", "{nosuch}", "{latency_s}")),
    ("where", [{c: v} for c in COLUMNS for v in ("attention", 1024, "nosuch")]),
)


def _figure(dice: Random, data: Any, path: Path_) -> str:
    """Change what a figure shows."""
    if not data.get("figures"):
        return ""
    figure = dice.choice(data["figures"])
    key, values = dice.choice(MORE)
    figure[key] = dice.choice(list(values))
    return f"figure {figure.get('file')}: {key}: {figure[key]}"


def _condition(dice: Random, data: Any, path: Path_) -> str:
    """Give a part, or one of its cases, a condition."""
    if "parts" not in data:
        return ""
    part = dice.choice(data["parts"])
    new = dice.choice(
        [
            "M >= 4Ki",
            "M > 1Gi",
            "model == BERT",
            "model == Bert",
            "L3.size < 8 MiB",
            "latency_s < 1",
            "traffic_B > 1e30",
            "log2(M) >= 11",
            "M >= ",
            "M = 4",
            "energy_J < 0",
            "utilization_2d > 0.5",
            "M",
            "H == 12",
            "clock > 1 GHz",
            "nosuch > 1",
            "M/H > 100",
            "fits == 1",
        ]
    )
    part.setdefault("where", []).append(new)
    return f"where {new}"


def _figures_of_machine(dice: Random, data: Any, path: Path_) -> str:
    """Give a configuration a figure of the machine, or a change of its mapping."""
    found = [c for part in data.get("parts", ()) for c in part.get("configurations", {}).values()]
    if not found:
        return ""
    entry = dice.choice(found)
    figures = {
        "L3.size": "1 KiB",
        "L3.sise": "1 MiB",
        "clock": "-1 GHz",
        "2d.rows": 7,
        "DRAM.bandwidth": "0 GB/s",
        "1d.lanes": 0,
        "L3.bandwidth": "1 TB/s",
        "2d.columns": 1.5,
        "HBM.size": "80 GiB",
        "L3.ports": 3,
        "1d.operations.sub_exp": 3,
        "2d.operations.exp": 2,
        "L3.area.sram": "1 mm2",
    }
    changes = {
        "tiles.M0": 7,
        "tiles.P1": "P",
        "tiles.X0": 4,
        "nests.0.keep.L3": ["QK"],
        "nests.9.keep": {},
        "schedule": "serial",
        "schedule.0": "x",
        "bind.2d": ["nosuch"],
        "cascade": "attention/3-pass",
        "title": "x",
        "nests.0.keep.L3.0": 3,
        "tiles.M1": 0,
        "tiles.P0": -1,
    }
    key, values = dice.choice([("figures", figures), ("changes", changes)])
    name = dice.choice(list(values))
    entry.setdefault(key, {})[name] = values[name]
    return f"{key} {name}: {values[name]}"


SLIPS = (
    _key,
    _key,
    _lost,
    _lost,
    _word,
    _word,
    _word,
    _number,
    _number,
    _other,
    _other,
    _twice,
    _figure,
    _figure,
    _condition,
    _figures_of_machine,
)


def slipped(dice: Random, data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return *data* with one slip, sometimes two, and what was done."""
    done: list[str] = []
    for _ in range(dice.choice([1, 1, 1, 2])):
        data = deepcopy(data)
        path = dice.choice(list(places(data)))
        with suppress(
            TypeError, AttributeError, KeyError, IndexError
        ):  # the first slip left nothing to slip on
            done.append(f"{'.'.join(map(str, path))}: {dice.choice(SLIPS)(dice, data, path)}")
    return data, "; ".join(done)


# --- what comes of them


def ended(step: Callable[[], Any]) -> tuple[str, str]:
    """Return how *step* ended: ``ok``, ``said``, ``slow`` or ``traceback``, and what was said."""
    from fusemax.errors import FusemaxError

    try:
        with timed(MOST_S), warnings.catch_warnings():
            warnings.filterwarnings("error", module=r"fusemax(\.|$)")
            step()
    except FusemaxError as error:
        return "said", str(error)
    except TooSlowError:
        return "slow", traceback.format_exc()[-1500:]
    except Exception:
        return "traceback", traceback.format_exc()[-2500:]
    return "ok", ""


def tried(path: Path, out: Path) -> tuple[str, str]:
    """Return how the study in *path* ends: ``ok``, ``refused``, or what must not be, and what was said."""
    from fusemax.cli.check import check_file
    from fusemax.study.run import run_study

    how, said = ended(lambda: check_file(path))
    if how == "said":
        first = said.splitlines()[0]
        return ("refused", said) if PLACE.match(first) else ("without a place", said)
    if how != "ok":
        return f"check: {how}", said
    shutil.rmtree(out, ignore_errors=True)
    how, said = ended(lambda: run_study(path, out, "fusemax run", {}))
    return ("ok", "") if how == "ok" else (f"check is silent, run: {how}", said)


def folder_of(folder: Path) -> None:
    """Put what the studies name beside them into *folder*."""
    for name in ("gpu", "micro24", "models", "successors"):
        shutil.copytree(STUDIES / name, folder / name)
    lines = (STUDIES / "gpu" / "published.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "gpu" / "few.csv").write_text("".join([lines[0], *lines[1::80]]), encoding="utf-8")


def main() -> None:
    """Try slips, print what must not be, and end with 1 where there is such."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--study", choices=list(SMALLER), action="append")
    parser.add_argument("--out", type=Path, help="a folder for what was said")
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder_of(folder)
        for study in given.study or SMALLER:
            tally: Counter[str] = Counter()
            said: list[str] = []
            whole = small(study)
            path = folder / "mine.yaml"
            path.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), encoding="utf-8")
            if (how := tried(path, folder / "out"))[0] != "ok":
                sys.exit(f"{study} as it is: {how}")
            for number in range(given.first, given.first + given.count):
                data, done = (
                    slipped(Random(f"{study} {given.seed} {number}"), whole)
                    if number
                    else (whole, "as it is")
                )
                path = folder / "mine.yaml"
                path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
                how, text = tried(path, folder / "out")
                tally[how] += 1
                said.append(
                    f"{number} {how}: {done}\n    {text.replace(name, '').strip()}\n".replace("\n", "\n    ")
                    + "\n"
                )
                if how not in ("ok", "refused"):
                    bad += 1
                    print(f"{study} {number} {how}: {done}\n{text}", flush=True)
            print(f"{study}: {dict(tally)}", flush=True)
            if given.out:
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / f"{study}-{given.seed}-{given.first}.txt").write_text(
                    "".join(said), encoding="utf-8"
                )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
