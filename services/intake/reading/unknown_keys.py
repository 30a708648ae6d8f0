"""Keys in a body that its model does not know, and the known keys that were probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Final, NamedTuple, get_args

from pydantic import BaseModel, JsonValue

from schemas.errors import Flaw

MOST_KEYS: Final = 50
"""So many unknown keys of a body are looked at; a body may hold thousands."""
_ALIKE: Final = 0.8
_LONGEST: Final = 100


class UnknownKey(NamedTuple):
    """A key that a model does not know: its place, and the known key beside it that is most alike."""

    pointer: str
    near: str | None

    @property
    def hint(self) -> str:
        """The question whether the other key was meant; empty without one."""
        return f"; did you mean {self.near}?" if self.near else ""


def unknown_keys(model: type[BaseModel], body: JsonValue) -> list[UnknownKey]:
    """The first unknown keys of a body at every level of its model, but not in facts and claims."""
    return list(islice(_unknown(model, body, ""), MOST_KEYS))


def near_misses(unknown: list[UnknownKey]) -> tuple[Flaw, ...]:
    """A warning for each key that was probably meant to be another; other unknown keys are ignored."""
    return tuple(Flaw(key.pointer, f"is unknown and was ignored{key.hint}") for key in unknown if key.near)


def mistakes(unknown: list[UnknownKey], *, strict: bool) -> tuple[Flaw, ...]:
    """An error for each unknown key if the caller is strict, else for those that were meant to be another."""
    return tuple(Flaw(key.pointer, f"is unknown{key.hint}") for key in unknown if strict or key.near)


def _unknown(model: type[BaseModel], value: JsonValue, place: str) -> Iterator[UnknownKey]:
    if not isinstance(value, Mapping):
        return
    fields = model.model_fields
    for name, inner in value.items():
        pointer = f"{place}/{name[:_LONGEST].replace('~', '~0').replace('/', '~1')}"
        if name not in fields:
            yield UnknownKey(pointer, _nearest(name, [one for one in fields if one not in value]))
        elif (part := _model_of(fields[name].annotation)) is not None:
            yield from _unknown(part, inner, pointer)


def _model_of(annotation: object) -> type[BaseModel] | None:
    """The model in a field's annotation, which may also allow null."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _nearest(name: str, known: list[str]) -> str | None:
    forms = {_form(one): one for one in known}
    found = get_close_matches(_form(name[:_LONGEST]), forms, n=1, cutoff=_ALIKE)
    return forms[found[0]] if found else None


def _form(name: str) -> str:
    """`agentId` and `agent-id` are spellings of `agent_id`."""
    return name.lower().replace("_", "").replace("-", "")
