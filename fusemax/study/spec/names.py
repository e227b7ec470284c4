"""What a study names: conditions on names that nothing gives, and keys without effect, each with the place of the mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.source import KeyPath
from fusemax.study.pictures import figure_mistakes
from fusemax.study.spec.conditions import Known, Mistake, gaps, known_of, nearest, where_mistakes
from fusemax.study.spec.file import StudyFile, StudyPart


def mistakes_of(study: StudyFile) -> list[tuple[KeyPath, Mistake]]:
    """Return the mistakes of *study* that its types do not show, each with its keys."""
    return list(_mistakes(study))


def _mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    for number, part in enumerate(study.parts):
        yield from _part_mistakes(part, ("parts", number))
        yield from _reduction_mistakes(study, part, ("parts", number))
    yield from _summary_mistakes(study)
    yield from _length_mistakes(study)
    for path, text, hint in figure_mistakes(study):
        yield path, Mistake(text, hint)
    known = _of_comparison(study)
    for number, reason in enumerate(study.compare.reasons if study.compare else ()):
        yield from where_mistakes(reason.where, known, ("compare", "reasons", number, "where"))


def _part_mistakes(part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield wrong conditions of *part*; names in its ``where`` may be outputs, which are known with its designs."""
    known = known_of([part])
    yield from where_mistakes(part.where, replace(known, has_outputs=True), (*at, "where"))
    yield from gaps(part.where, part, (*at, "where"))
    for name, configuration in part.configurations.items():
        for number, case in enumerate(configuration.cases):
            place = (*at, "configurations", name, "cases", number, "where")
            yield from where_mistakes(case.where, known, place)
            yield from gaps(case.where, part, place)


def _reduction_mistakes(study: StudyFile, part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield what cannot be meant by the keys of a part that adds up others, or rows of a table."""
    names_of = [entry.name for entry in study.parts if entry is not part]
    for number, name in enumerate(part.total_of):
        if name not in names_of:
            text = f"no other part is called {name!r}"
            yield (*at, "total_of", number), Mistake(text, nearest(name, names_of))
    if part.sum_over is not None and part.sum_over not in part.tables:
        text = f"the part has no table {part.sum_over!r}"
        yield (*at, "sum_over"), Mistake(text, nearest(part.sum_over, part.tables))
    if not part.configurations and not part.total_of:
        yield at, Mistake(f"part {part.name!r} has no configurations, and is the total of no parts")


def _summary_mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    parts = [part.name for part in study.parts]
    configurations = [name for part in study.parts for name in part.configurations]
    wanted = (("parts", study.summary.parts, parts), ("baselines", study.summary.baselines, configurations))
    for key, given, known in wanted:
        for number, name in enumerate(given):
            if name not in known:
                text = f"no {key[:-1] if key == 'parts' else 'configuration'} is called {name!r}"
                yield ("summary", key, number), Mistake(text, nearest(name, known))


def _length_mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield a length, said on purpose, that no part gives."""
    given = {name for part in study.parts for name in (*part.sizes, *part.grid)}
    given |= {
        name for part in study.parts for rows in part.tables.values() for row in rows.values() for name in row
    }
    if study.length and "length" in study.model_fields_set and study.length not in given:
        yield ("length",), Mistake(f"no part gives a size {study.length!r}", nearest(study.length, given))


def _of_comparison(study: StudyFile) -> Known:
    """Return what the reasons of a comparison may name: besides points, the columns of the published table."""
    known = known_of(study.parts)
    configurations = tuple(name for part in study.parts for name in part.configurations)
    own = {"part": tuple(part.name for part in study.parts), "configuration": configurations}
    return Known(texts={**known.texts, **own}, numbers=known.numbers | {"seq_len"})
