"""Random designs as plain data: a cascade, a machine, a mapping and sizes, over what the formats allow.

Every choice is asked of an object like ``random.Random``, so that a seed gives a design and hypothesis can shrink one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fusemax.analysis.work import is_view, operations
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.cascade.views import without
from fusemax.language.syntax import Name, names
from tests.walk.cascades import draw_cascade
from tests.walk.chunks import draw_chunks
from tests.walk.design import Design, cascade_of
from tests.walk.features import Features
from tests.walk.machines import draw_machine


def draw_design(random: Random, features: Features) -> Design:
    """Return a random design; it may still be one that is refused."""
    return _Drawer(random, features).design()


@dataclass
class _Drawer:
    random: Random
    features: Features
    staged: set[tuple[str, str]] = field(default_factory=set)

    def chance(self, probability: float) -> bool:
        """Return true with about *probability*."""
        return self.random.randint(0, 99) < probability * 100

    def some(self, entries: Sequence[str], probability: float) -> list[str]:
        """Return each of *entries* with *probability*."""
        return [entry for entry in entries if self.chance(probability)]

    def shuffled(self, entries: Sequence[str]) -> list[str]:
        """Return *entries* in any order."""
        found = list(entries)
        for at in range(len(found) - 1, 0, -1):
            other = self.random.randint(0, at)
            found[at], found[other] = found[other], found[at]
        return found

    def design(self) -> Design:
        """Draw everything."""
        described = self.cascade()
        whole = cascade_of(described).batched()
        self.views = [e.name for e in whole.computed if is_view(e) and e.name not in whole.outputs]
        self.absorbed = [e.name for e in whole.computed if e.name in ("SQ",) and self.chance(0.7)]
        self.whole = without(whole, [*self.absorbed, *self.views])
        known = [
            p.name for e in self.whole.computed for o in operations(self.whole, e) for p in (o, *o.parts)
        ]
        features = self.features
        machine = draw_machine(
            self.random, list(dict.fromkeys(known)), features.cores, features.groups, features.keys
        )
        self.levels, self.units = list(machine["levels"]), list(machine["units"])
        units = machine["units"].items()
        self.lanes = [name for name, unit in units if "registers" in unit]
        self.lanes += [f"{name}.{memory}" for name, unit in units for memory in unit.get("memories", ())]
        if self.features.spill or self.features.fit:
            for level in self.levels[1:]:
                machine["levels"][level]["size"] = f"{self.random.choice([64, 256, 1024, 4096])} B"
        self.offered = {unit: machine["units"][unit]["operations"] for unit in self.units}
        self.dimensions = {unit: list(machine["units"][unit]["shape"]) for unit in self.units}
        self.shared = next((n for n, level in machine["levels"].items() if "shared_by" in level), None)
        self.group = machine["levels"][self.shared]["shared_by"] if self.shared else 1
        mapping = self.mapping(described)
        alone = not self.features.no_spread and not self.features.groups
        if alone and any("spread" not in node for node in mapping["nests"]):
            machine.pop("replicas", None)
        return Design(described, machine, mapping, self.sizes(whole))

    def cascade(self) -> str | Mapping[str, Any]:
        """Draw a shipped cascade or make one up."""
        if self.features.own_cascades and self.chance(0.4):
            features = self.features
            if features.chunks:
                return draw_chunks(self.random)
            return draw_cascade(
                self.random, features.aliases, features.masks, features.regions, features.shifts
            )
        return self.random.choice(self.features.cascades)

    # --- sizes and digits

    def sizes(self, whole: Cascade) -> dict[str, int]:
        """Draw a size for everything that neither the cascade nor a tile gives."""
        found: dict[str, int] = {}
        cut = {name for digits in self.parts.values() for name in digits}
        for name in dict.fromkeys([*self.parts, *whole.size_symbols()]):
            if name in cut or (name in whole.defaults and self.chance(0.5)):
                continue
            large = name in self.large
            found[name] = self.random.randint(1, 13 if large else 4)
        return found

    def mapping(self, described: str | Mapping[str, Any]) -> dict[str, Any]:
        """Draw tiles, nests and everything around them."""
        self.parts = self._parts()
        self.tiles: dict[str, int | str] = {}
        self.digits: dict[str, list[str]] = {}
        inner = {part for parts in self.parts.values() for part in parts}
        roots = [name for name in self.whole.ranks if name not in inner]
        self.large = set(self.shuffled(roots)[:3])
        for name in roots:
            self.digits[name.lower()] = self._digits(name)
        bind = self._bind()
        self.grouped = self._groups()
        nests = [self._nest(group) for group in self.grouped]
        mapping: dict[str, Any] = {
            "title": "t", "source": "s", "cascade": described if isinstance(described, str) else "own",
            "absorb": self.absorbed, "tiles": self.tiles, "nests": nests, "bind": bind,
            "schedule": self.random.choice(["overlapped", "serial", "auto"]),
        }  # fmt: skip
        if self.chance(0.2):
            mapping["words"] = {t: "4 B" for t in self.some(list(self.whole.tensors), 0.2)}
        if self.features.offload:
            mapping["offload"] = self._offload()
        if self.features.keys:
            mapping["words"] = {
                t: f"{self.random.choice([1, 4])} B" for t in self.some(list(self.whole.tensors), 0.4)
            }
            einsums = self.some([e.name for e in self.whole.computed], 0.2)
            mapping["when"] = {name: self.random.choice(["1/8", "0.5", "1"]) for name in einsums}
        if self.features.spill:
            tensors = list(self.whole.tensors)
            mapping["spill"] = {
                level: found for level in self.levels[1:] if (found := self.some(tensors, 0.7))
            }
            mapping["in_place"] = (
                [self.shuffled(tensors)[:2]] if self.chance(0.4) and len(tensors) > 1 else []
            )
        if self.features.schedules:
            for nest, group in zip(nests, self.grouped, strict=True):
                nest["schedule"] = self._schedule(group)
        return {key: value for key, value in mapping.items() if value not in ([], {})}

    def _schedule(self, einsums: list[Einsum]) -> Any:
        """Draw steps, or units that overlap in part."""
        if self.chance(0.3):
            return {"overlap": self.random.choice([0, 0.3, 1]), "start": f"{self.random.randint(0, 9)} ns"}
        if self.chance(0.3):
            return {"groups": self.random.randint(1, 3), "wait": self.random.randint(0, 9)}
        steps: list[dict[str, Any]] = []
        for einsum in einsums:
            if not steps or self.chance(0.6):
                steps.append({})
            steps[-1].setdefault(self.unit_of[einsum.name], []).append(einsum.name)
        return [*steps, *([{"stall": self.random.randint(1, 9)}] if self.chance(0.2) else [])]

    def _offload(self) -> dict[str, dict[str, float]]:
        """Draw parts of operations that the other unit takes."""
        found: dict[str, dict[str, float]] = {}
        for einsum in self.whole.computed:
            unit = self.unit_of[einsum.name]
            (other,) = (u for u in self.units if u != unit)
            for whole in operations(self.whole, einsum):
                done = [whole] if whole.name in self.offered[unit] else whole.parts
                for part in done:
                    if part.name in self.offered[other] and self.chance(0.15):
                        share = self.random.choice([0.25, 0.5, 0.75, 1.0])
                        found[f"{einsum.name}.{part.name}"] = {other: share}
        return found

    def _parts(self) -> dict[str, list[str]]:
        """Return the ranks that the cascade itself cuts, with the sizes of their digits (``M``: M1, M0)."""
        variables = {v for e in self.whole.einsums for v in e.variables}
        found: dict[str, list[str]] = {}
        for name, rank in self.whole.ranks.items():
            used = names(rank.size) if rank.size is not None and not isinstance(rank.size, Name) else ()
            plain = (
                all(u in self.whole.ranks for u in used)
                and "+" not in str(rank.size)
                and "-" not in str(rank.size)
            )
            if len(used) > 1 and plain and any(u.lower() in variables for u in used):
                found[name] = list(used)
        return found

    def _digits(self, name: str) -> list[str]:
        if name in self.parts:
            for part in self.parts[name][1:]:
                self.tiles[part] = self.random.randint(1, 5)
            return [part.lower() for part in self.parts[name]]
        cuts = self.random.choice([0, 0, 1, 1, 2])
        for k in range(cuts):
            self.tiles[f"{name}{k}"] = self.random.randint(1, 5 if k == 0 else 3)
        if self.features.keys and cuts and self.chance(0.2):
            inner = "".join(f"*{name}{k}" for k in range(cuts - 1))
            rules = ["a.rows", "replicas", f"ceil({name}/(2{inner}))", f"max(1, floor({name}/3))"]
            self.tiles[f"{name}{cuts - 1}"] = self.random.choice(rules)
        if self.features.fit and cuts and len(self.levels) > 1 and self.chance(0.4):
            rule = self.random.choice(["", ", divisors", ", power_of_two"])
            self.tiles[f"{name}{cuts - 1}"] = f"fit({self.random.choice(self.levels[1:])}{rule})"
        return [f"{name.lower()}{k}" for k in range(cuts, -1, -1)] if cuts else [name.lower()]

    def _bind(self) -> dict[str, list[str]]:
        self.unit_of = {e.name: self.random.choice(self.units) for e in self.whole.computed}
        return {u: mine for u in self.units if (mine := [e for e, unit in self.unit_of.items() if unit == u])}

    # --- nests

    def _groups(self) -> list[list[Einsum]]:
        """Cut the Einsums, in their order, into phases; a loop of the cascade stays together."""
        groups: list[list[Einsum]] = []
        for einsum in self.whole.computed:
            together = groups and einsum.loop is not None and groups[-1][-1].loop == einsum.loop
            if groups and (together or self.chance(0.7)):
                groups[-1].append(einsum)
            else:
                groups.append([einsum])
        return groups

    def _nest(self, einsums: list[Einsum]) -> dict[str, Any]:
        left = {root: list(digits) for root, digits in self.digits.items()}
        node = self._node(einsums, left, {}, [], 0)
        loops = node.get("for", [])
        reduced = {v for e in einsums for v in (*e.reduced, e.loop)}
        own = {root: {root, *digits} for root, digits in self.digits.items()}
        barred = [
            loop for loop in loops if any(loop in names_ and names_ & reduced for names_ in own.values())
        ]
        loops = loops[: min((loops.index(loop) for loop in barred), default=len(loops))]
        if self.features.cores and loops and (not self.features.no_spread or self.chance(0.5)):
            node["spread"] = loops[: self.random.randint(1, len(loops))]
            if self.chance(0.4):
                node["deal"] = self.random.choice(["longest_first", "in_order"])
        return self._grouped(node) if self.features.groups else node

    def _carries(self, tensor: str, loops: list[str]) -> bool:
        """Return whether *tensor* runs over the rank of one of *loops*."""
        accesses = [a for e in self.whole.computed for a in (*e.reads, *e.outputs) if a.tensor == tensor]
        used = {name for access in accesses for index in access.indices for name in names(index)}
        return any(
            used & {root, *digits} for root, digits in self.digits.items() if {*loops} & {root, *digits}
        )

    def _grouped(self, node: dict[str, Any]) -> dict[str, Any]:
        """Let the innermost loops in spread run side by side, where something is kept at the level that groups share.

        What all cores share is kept around the loops; what groups share too, now and then.
        """
        outer = self.levels[: self.levels.index(self.shared)] if self.shared else []
        around = {level: entries for level in outer if (entries := _taken(node, level))}
        if self.shared and not node.get("spread"):
            here = around.setdefault(self.levels[0], [])
            here += [entry for entry in _taken(node, self.shared) if _tensor(entry) not in map(_tensor, here)]
        elif self.shared and self.chance(0.2):
            around[self.shared] = _taken(node, self.shared)
            around[self.shared] = [
                e for e in around[self.shared] if not self._carries(_tensor(e), node["spread"])
            ]
        around = {level: entries for level, entries in around.items() if entries}
        spread = node.pop("spread", [])
        deal = {"deal": node.pop("deal")} if "deal" in node else {}
        beside = spread[-self.random.choice([1, 1, 1, 2]) :]
        for loop in beside:
            if loop.upper() in self.tiles:
                self.tiles[loop.upper()] = self.random.randint(1, self.group)
        found = {**({"keep": around} if around else {}), **({"spread": spread, **deal} if spread else {})}
        kept = self.shared in around or (self.shared and _has(node, self.shared))
        if kept and beside:
            found["side_by_side"] = beside
        return {**found, "do": [node]} if found else node

    def _node(
        self,
        einsums: list[Einsum],
        left: dict[str, list[str]],
        kept: dict[str, int],
        opened: list[str],
        depth: int,
    ) -> dict[str, Any]:
        left = {root: list(digits) for root, digits in left.items()}
        loops = self._loops(einsums, left, depth)
        node: dict[str, Any] = {"for": loops} if loops else {}
        opened = [*opened, *loops]
        parts = self._split(einsums, depth, opened)
        keep, kept = self._keep(einsums, parts, dict(kept))
        if keep:
            node["keep"] = keep
        stage = self._stage(einsums, kept) if self.features.stage else {}
        if stage:
            node["stage"] = stage
        if len(parts) == 1 and (depth >= 3 or not self.chance(0.3)):
            left_open = [d for e in einsums for d in self._generations(e, opened)]
            if left_open:  # generations are made one after the other
                loops += list(dict.fromkeys(left_open))
                node = {"for": loops, **node}
                opened = [*opened, *left_open]
            spatial = self._spatial(einsums, opened)
            if spatial:
                node["spatial"] = spatial
            node["do"] = [e.name for e in einsums]
        else:
            node["do"] = [self._node(part, left, kept, opened, depth + 1) for part in parts]
        return node

    def _loops(self, einsums: list[Einsum], left: dict[str, list[str]], depth: int) -> list[str]:
        """Take some digits out of *left* to be loops around all of *einsums*."""
        own = [self._root_names(e) for e in einsums]
        used = set().union(*own) if self.features.foreign and self.chance(0.3) else set.intersection(*own)
        loops: list[str] = []
        while self.chance(0.75 if not loops else 0.55):
            free = [r for r, d in left.items() if r in used and d and not self._barred(einsums, r, d[0])]
            if not free:
                break
            root = self.random.choice(free)
            lacks = any(root not in e.variables and left[root][0] not in e.variables for e in einsums)
            if lacks and not self.features.foreign:
                used = used - {root}
                continue
            loops.append(left[root].pop(0))
            if self.features.gaps and left[root] and self.chance(0.2):
                left[root].pop(0)
        return loops

    def _root_names(self, einsum: Einsum) -> set[str]:
        of_digit = {d: root for root, digits in self.digits.items() for d in digits}
        return {of_digit.get(v, v) for v in einsum.variables}

    def _barred(self, einsums: list[Einsum], root: str, digit: str) -> bool:
        """Return whether a value that is made under the loop *digit* is not whole where another Einsum reads it."""
        for maker in einsums:
            open_ = root in maker.reduced or digit in maker.reduced
            for reader in einsums:
                for access in reader.reads:
                    if reader is maker or access.tensor != maker.output.tensor:
                        continue
                    tensor = self.whole.tensors[access.tensor]
                    if open_:
                        return True
                    if tensor.generation is not None and maker.loop == digit:
                        index = access.indices[tensor.ranks.index(tensor.generation)]
                        if isinstance(index, Name) and index.name.isupper():
                            return True
        return False

    def _together(self, one: Einsum, other: Einsum, opened: list[str]) -> bool:
        """Return whether both belong to one loop of the cascade that is not open yet: generations follow each other."""
        if one.loop is None or one.loop != other.loop:
            return False
        return not self.features.generations_apart or bool(self._generations(one, opened))

    def _generations(self, einsum: Einsum, opened: list[str]) -> list[str]:
        """Return the digits of the loop of the cascade around *einsum* that no loop of the mapping runs over yet."""
        if einsum.loop is None:
            return []
        digits = next(d for root, d in self.digits.items() if einsum.loop in (root, *d))
        return [d for d in ([einsum.loop] if einsum.loop in digits else digits) if d not in opened]

    def _split(self, einsums: list[Einsum], depth: int, opened: list[str]) -> list[list[Einsum]]:
        if depth >= 3:
            return [einsums]
        parts = [[einsums[0]]]
        for einsum in einsums[1:]:
            if self._together(parts[-1][-1], einsum, opened):
                parts[-1].append(einsum)
            elif self.chance(0.25):
                parts.append([einsum])
            else:
                parts[-1].append(einsum)
        return parts

    def _touched(self, einsums: list[Einsum]) -> list[str]:
        return list(dict.fromkeys(a.tensor for e in einsums for a in (*e.reads, *e.outputs)))

    def _keep(
        self, einsums: list[Einsum], parts: list[list[Einsum]], kept: dict[str, int]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Draw what is kept here: some of what is touched inside, and all that passes from one part to another."""
        found: dict[str, list[Any]] = {}
        passing = [
            e.output.tensor
            for number, part in enumerate(parts) for e in part
            for other in parts[number + 1 :] if any(a.tensor == e.output.tensor for r in other for a in r.reads)
        ]  # fmt: skip
        for tensor in self._touched(einsums):
            needed = tensor in passing and tensor not in kept
            if needed or (self._worth_keeping(tensor, einsums) and self.chance(0.35)):
                self._keep_one(tensor, einsums, needed, kept, found)
        return found, kept

    def _worth_keeping(self, tensor: str, einsums: list[Einsum]) -> bool:
        """Return whether *tensor* goes in or out of here at all, or passes from one generation to the next."""
        if self.features.idle_keeps or tensor in self.whole.inputs or tensor in self.whole.outputs:
            return True
        if self.whole.tensors[tensor].generation is not None:
            return self.features.running_inside
        return not self._all_inside(tensor, einsums)

    def _all_inside(self, tensor: str, einsums: list[Einsum]) -> bool:
        users = (*self.whole.readers(tensor), *self.whole.producers(tensor))
        return tensor not in self.whole.outputs and all(e in einsums for e in users if not e.initial)

    def _keep_one(
        self,
        tensor: str,
        einsums: list[Einsum],
        needed: bool,
        kept: dict[str, int],
        found: dict[str, list[Any]],
    ) -> None:
        places = [*self.levels, *self.lanes]
        first = kept.get(tensor, -1) + 1
        users = {self.unit_of[e.name] for e in einsums if tensor in self._touched([e])}
        allowed = [
            p for p in range(first, len(places))
            if (p < len(self.levels) or {places[p].partition(".")[0]} == users) and (tensor, places[p]) not in self.staged
        ]  # fmt: skip
        if not allowed and needed:
            allowed = [0]
        if not allowed:
            return
        wanted = [self.random.choice(allowed)]
        twice = (
            self.features.idle_keeps or tensor in self.whole.inputs or not self._all_inside(tensor, einsums)
        )
        if twice and self.chance(0.15):
            wanted = sorted({*wanted, self.random.choice(allowed)})
        for place in wanted:
            buffers = self.random.choice([1, 1, 1, 2, 3, 0])
            entry: Any = tensor if buffers == 1 else {"tensor": tensor, "buffers": buffers}
            found.setdefault(places[place], []).append(entry)
            kept[tensor] = len(places) if place >= len(self.levels) else place

    def _other_digits(self, digit: str, opened: list[str]) -> list[str]:
        """Return the digits of the same rank that run inside the body too."""
        digits = next(d for d in self.digits.values() if digit in d)
        return [d for d in digits if d != digit and d not in opened]

    def _stage(self, einsums: list[Einsum], kept: dict[str, int]) -> dict[str, list[Any]]:
        """Draw tensors that only pass through a level here."""
        found: dict[str, list[Any]] = {}
        for tensor in self._touched(einsums):
            if len(self.levels) > 1 and tensor not in kept and self.chance(0.15):
                level = self.random.choice(self.levels[1:])
                found.setdefault(level, []).append({"tensor": tensor, "buffers": self.random.randint(1, 2)})
                self.staged.add((tensor, level))
        return found

    def _spatial(self, einsums: list[Einsum], opened: list[str]) -> dict[str, dict[str, str]]:
        roots = set().union(*(self._root_names(e) for e in einsums))
        free = [d for root in roots for d in self.digits[root] if d not in opened]
        if not self.features.ragged_spatial:
            free = [d for d in free if not self._other_digits(d, opened)]
        free = sorted(free)
        found: dict[str, dict[str, str]] = {}
        for unit, dimensions in self.dimensions.items():
            for dimension in dimensions:
                if free and self.chance(0.7):
                    digit = self.random.choice(free)
                    mine = found.setdefault(unit, {})
                    if digit not in mine:
                        both = self.features.keys and len(dimensions) > 1 and not mine and self.chance(0.3)
                        mine[digit] = dimensions if both else dimension
                    if self.features.shared_dimension and self.chance(0.3):
                        mine.setdefault(self.random.choice(free), dimension)
        return found


def _tensor(entry: Any) -> str:
    return entry["tensor"] if isinstance(entry, dict) else entry


def _taken(node: dict[str, Any], level: str) -> list[Any]:
    """Take what *node* and those inside it keep at *level* out of them, each tensor once."""
    found = {_tensor(entry): entry for entry in node.get("keep", {}).pop(level, [])}
    for key in ("keep", "stage"):
        node.get(key, {}).pop(level, None)
        if key in node and not node[key]:
            del node[key]
    for child in node["do"]:
        if isinstance(child, dict):
            for entry in _taken(child, level):
                found.setdefault(_tensor(entry), entry)
    return list(found.values())


def _has(node: dict[str, Any], level: str) -> bool:
    """Return whether *node*, or one inside it, keeps or stages something at *level*."""
    mine = any(node.get(key, {}).get(level) for key in ("keep", "stage"))
    return bool(mine) or any(isinstance(child, dict) and _has(child, level) for child in node["do"])
