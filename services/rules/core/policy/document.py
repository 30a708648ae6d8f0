"""The policy file as it is written (DESIGN.md, Policy).

Its JSON Schema, for editors, is schemas/json/policy.schema.json: `mandaat policy schema` prints it.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from schemas.ids import MAX_ID_LENGTH, NAME

EVERY_KIND: Final = "*"
_NAME_RULE: Final = {"type": "string", "pattern": NAME, "maxLength": MAX_ID_LENGTH}
_KIND_RULE: Final = {"type": "string", "pattern": rf"{NAME}|^\*$", "maxLength": MAX_ID_LENGTH}


def _one_as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _one_or_list(item: dict[str, Any]) -> WithJsonSchema:
    several = {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}
    return WithJsonSchema({"anyOf": [item, several]})


def _limit(value: Any, _: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise PydanticCustomError("limit", "must be a number, such as 50, or an expression in quotes")
    return value


Name = Annotated[str, StringConstraints(pattern=NAME, min_length=1, max_length=MAX_ID_LENGTH)]
KindName = Annotated[str, StringConstraints(pattern=rf"{NAME}|^\*$", min_length=1, max_length=MAX_ID_LENGTH)]
Names = Annotated[list[Name], BeforeValidator(_one_as_list), Field(min_length=1), _one_or_list(_NAME_RULE)]
Kinds = Annotated[
    list[KindName], BeforeValidator(_one_as_list), Field(min_length=1), _one_or_list(_KIND_RULE)
]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Condition = Annotated[str, StringConstraints(min_length=1)]
DefineName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Limit = Annotated[
    int | float | str,
    WrapValidator(_limit),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "minLength": 1}]}),
]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class RoleEntry(_Written):
    """A role; `{}` where it extends no other."""

    extends: Names | None = Field(default=None, description="The roles whose mandates this role has too.")


class ProhibitionEntry(_Written):
    """What nobody may grant."""

    id: Name = Field(description="The name of this prohibition, in reasons.")
    kinds: Kinds = Field(description='The kinds of request that are prohibited; "*" is every kind.')
    categories: list[Words] | None = Field(
        default=None, min_length=1, description="Only cases of these categories."
    )
    when: Condition | None = Field(default=None, description="Only where this CEL condition is true.")
    except_: Names | None = Field(
        default=None,
        alias="except",
        description="Roles, and those that extend them, to whom it does not apply.",
    )
    reason: Words = Field(description="Why, in words for the customer's and the agent's eyes.")


class MandateEntry(_Written):
    """One row of the authority matrix: who may grant what, up to which limit."""

    id: Name = Field(description="The name of this mandate, in decisions.")
    grants: Kinds = Field(description='The kinds of request it grants; "*" is every kind.')
    to: Names = Field(description="The roles that have it; roles that extend them have it too.")
    categories: list[Words] | None = Field(
        default=None, min_length=1, description="Only cases of these categories."
    )
    when: Condition | None = Field(default=None, description="Only where this CEL condition is true.")
    limit: Limit | None = Field(
        default=None,
        description="The largest amount, in major units of the currency: a number, or a CEL expression. "
        "Without it there is no ceiling.",
    )


class StepEntry(_Written):
    """Who is asked."""

    to: Name = Field(description="The role that may answer.")


class EscalationEntry(_Written):
    """Who decides what no mandate grants."""

    id: Name = Field(description="The name of this ladder.")
    steps: list[StepEntry] = Field(
        min_length=1, json_schema_extra={"maxItems": 1}, description="The step: one, for now."
    )


class PolicyDocument(_Written):
    """A policy of Mandaat: who may decide what."""

    policy: Name = Field(description="The tenant whose policy this is.")
    version: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Your own name for this version, in quotes; it is on every decision."
    )
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        description="The currency of all amounts, ISO 4217."
    )
    timezone: Words | None = Field(
        default=None, description="The time zone you work in, such as Europe/Amsterdam."
    )
    roles: dict[Name, RoleEntry] = Field(min_length=1, description="The roles of staff.")
    define: dict[DefineName, Condition] | None = Field(
        default=None, description="Named CEL conditions and amounts, for the expressions below them."
    )
    prohibitions: list[ProhibitionEntry] | None = Field(default=None, description="What nobody may grant.")
    mandates: list[MandateEntry] = Field(min_length=1, description="Who may grant what; read top to bottom.")
    escalation: list[EscalationEntry] = Field(
        min_length=1,
        json_schema_extra={"maxItems": 1},
        description="Who decides the rest: one ladder of one step, for now.",
    )


NOT_YET: Final = frozenset(
    (
        "budgets",
        "discretion",
        "hours",
        "holidays",
        "promise",
        "within",
        "acknowledge_within",
        "when_exhausted",
        "when_nobody",
    )
)
"""Words of the policy language that are refused by name: a policy is obeyed whole or not at all."""


def policy_schema() -> str:
    """The JSON Schema (draft 2020-12) of a policy file, as the text of schemas/json/policy.schema.json."""
    schema = _for_editors(PolicyDocument.model_json_schema(by_alias=True))
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Mandaat policy"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _for_editors(part: Any) -> Any:
    """Without null (an empty value is an error), and with names that fit no pattern refused."""
    if isinstance(part, list):
        return [_for_editors(item) for item in part if item != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    kept = {key: _for_editors(value) for key, value in part.items() if not _is_noise(key, value)}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    choices = kept.get("anyOf")
    return {**choices[0], **_without(kept, "anyOf")} if choices and len(choices) == 1 else kept


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def _without(part: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != name}
