"""What a configuration may say in place of one mapping: several to choose from, or a search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from fusemax.study.spec.values import reading
from fusemax.typed import FilePart


class Choice(FilePart):
    """One mapping of several, with choices of its own.

    ``changes`` are values of the mapping file; to the list at each place of ``perhaps`` any subset of its entries is added;
    ``tiles`` takes each tile from 1, 2, 4, ... and the whole of what its formula says.
    """

    mapping: str
    changes: dict[str, Any] = Field(default_factory=dict)
    perhaps: dict[str, list[Any]] = Field(default_factory=dict)
    tiles: dict[str, Any] = Field(default_factory=dict)


def _choice(value: Any) -> Any:
    return {"mapping": value} if isinstance(value, str) else value


Measure = Literal["latency_s", "traffic_B", "energy_J"]


class BestOf(FilePart):
    """Several mappings, of which each point takes the one with the least *by* among those that fit.

    Where two are equal to a billionth in one measure, the next of *by* decides.
    """

    best_of: list[Annotated[Choice, BeforeValidator(_choice, json_schema_input_type=str | Choice)]] = Field(
        min_length=1
    )
    by: Annotated[
        list[Measure],
        BeforeValidator(
            lambda by: by if isinstance(by, list) else [by], json_schema_input_type=Measure | list[Measure]
        ),
    ] = Field(min_length=1)

    @property
    def mappings(self) -> list[str]:
        """The names of the mappings, each once."""
        return list(dict.fromkeys(choice.mapping for choice in self.best_of))


#: Stands for a mapping that a search finds, as in ``mapping: best``.
BEST = "best"


def _strategy(value: Any) -> str:
    from fusemax.search.strategies import strategy

    strategy(str(value))
    return str(value)


class Searched(FilePart):
    """The best mapping that a search finds at each point, as ``fusemax map`` does.

    ``cascade`` is what is to be run, where the configuration does not name it; ``search`` the strategy; ``objective``
    (``for:``) what is to be least; ``within`` the part of the space that is left open (what a file for ``--within`` holds);
    ``each`` has every point of a large grid searched in full.
    """

    model_config = ConfigDict(populate_by_name=True)

    search: Annotated[str, reading(_strategy)] = "joined"
    objective: Literal["latency", "energy", "traffic", "edp"] = Field(default="latency", alias="for")
    cascade: str | None = None
    absorb: list[str] = Field(default_factory=list)
    seconds: float = Field(default=12.0, gt=0)
    each: bool = False
    within: dict[str, Any] = Field(default_factory=dict)


def form_of_mapping(value: Any) -> str:
    """Return which of the three forms *value* has: a name, a choice, or a search."""
    if isinstance(value, Searched) or (isinstance(value, dict) and not {"best_of", "by"} & set(value)):
        return "searched"
    return "choice" if isinstance(value, dict | BestOf) else "name"


def named_or_searched(value: Any) -> Any:
    """Return *value*, or of the word for a search one with nothing said of it."""
    return {} if isinstance(value, str) and value == BEST else value
