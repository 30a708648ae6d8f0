"""The policy file as it is written (docs/policy.md, Every key).

editor_schema.py makes the JSON Schema for editors from these models.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from engine.policy.amount_texts import number_in
from schemas.ids import MAX_ID_LENGTH, NAME

EVERY_KIND: Final = "*"
MAX_COUNT: Final = 1_000_000_000
_NAME_RULE: Final = {"type": "string", "pattern": NAME, "maxLength": MAX_ID_LENGTH}
_KIND_RULE: Final = {"type": "string", "pattern": rf"{NAME}|^\*$", "maxLength": MAX_ID_LENGTH}
_A_SHARE: Final = re.compile(r"(?:[1-9][0-9]?|100)%")
_A_NUMBER: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def _one_as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _one_or_list(item: dict[str, Any]) -> WithJsonSchema:
    several = {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}
    return WithJsonSchema({"anyOf": [item, several]})


def _whole(value: Any) -> Any:
    """`20.0` is the same number as `20`."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cap(value: Any, _: Any) -> Any:
    if isinstance(value, str) and _A_NUMBER.fullmatch(value):
        number = value.replace(",", ".")
        hint = f"write {number}" if "," in value else f"write {number} without quotes"
        raise PydanticCustomError("cap", "must be a number; {hint}", {"hint": hint})
    if isinstance(value, str) and (meant := number_in(value)) is not None:
        raise PydanticCustomError("cap", "must be a number only; write {number}", {"number": meant})
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("cap", "must be a number, such as 250")
    return value


def _share(value: Any) -> Any:
    if isinstance(value, str) and _A_SHARE.fullmatch(value):
        return value
    raise PydanticCustomError("share", "must be a percentage from 1% to 100%, such as 80%")


def _limit(value: Any, _: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise PydanticCustomError("limit", "must be a number, such as 50, or an expression in quotes")
    return value


def _one_or_several(schema: dict[str, Any]) -> None:
    """The JSON Schema of a list of different items, or of one such item."""
    several = {**schema, "uniqueItems": True}
    schema.clear()
    schema["anyOf"] = [several["items"], several]


Name = Annotated[str, StringConstraints(pattern=NAME, min_length=1, max_length=MAX_ID_LENGTH)]
KindName = Annotated[str, StringConstraints(pattern=rf"{NAME}|^\*$", min_length=1, max_length=MAX_ID_LENGTH)]
Names = Annotated[list[Name], BeforeValidator(_one_as_list), Field(min_length=1), _one_or_list(_NAME_RULE)]
Kinds = Annotated[
    list[KindName], BeforeValidator(_one_as_list), Field(min_length=1), _one_or_list(_KIND_RULE)
]
FreeText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^\S(?:.*\S)?$")]
Condition = Annotated[str, StringConstraints(min_length=1)]
DefineName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Limit = Annotated[
    int | float | str,
    WrapValidator(_limit),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "minLength": 1}]}),
]

Cap = Annotated[int | float, WrapValidator(_cap), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT), BeforeValidator(_whole)]
_DAYS: Final = "[1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-6]"  # 1 to 366
WindowText = Annotated[
    str, StringConstraints(pattern=rf"^(?:hour|day|week|month|quarter|year|(?:{_DAYS})d)$")
]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[mhd]$")]
Share = Annotated[
    str, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": rf"^{_A_SHARE.pattern}$"})
]
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY: Final = f"(?:{'|'.join(WEEKDAYS)})"
Days = Annotated[str, StringConstraints(pattern=rf"^{_WEEKDAY}(?:-{_WEEKDAY})?$")]
Period = Annotated[
    str,
    StringConstraints(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
]


class _FilePart(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class RoleEntry(_FilePart):
    """A role; `{}` if it extends no other."""

    extends: Names | None = Field(default=None, description="The roles whose mandates this role has too.")


class ProhibitionEntry(_FilePart):
    """A prohibition: nobody may grant these requests."""

    id: Name = Field(description="The name of this prohibition, in reasons.")
    kinds: Kinds = Field(description='The kinds of request that are prohibited; "*" is every kind.')
    categories: list[FreeText] | None = Field(
        default=None, min_length=1, description="Only cases of these categories."
    )
    when: Condition | None = Field(default=None, description="Only if this CEL condition is true.")
    except_: Names | None = Field(
        default=None,
        alias="except",
        description="The roles that are exempt; roles that extend them are exempt too.",
    )
    reason: FreeText = Field(description="The reason. Customers and agents read it.")


class BudgetEntry(_FilePart):
    """The most that all decisions in a window may grant together, in money or as a count."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["cap"]}, {"required": ["count"]}]})

    per: Literal["agent", "team", "customer", "case", "tenant"] = Field(
        description="One budget for each agent, team, customer or case; or one for the whole tenant."
    )
    window: WindowText = Field(
        description="An hour of the clock; a calendar day, week, month, quarter or year; or any run of"
        " calendar days, such as 30d."
    )
    cap: Cap | None = Field(
        default=None, description="The most that may be granted in a window, in major units of the currency."
    )
    count: Count | None = Field(default=None, description="The most decisions in a window.")
    warn_at: Share | None = Field(
        default=None, description="Tell the leads when this share of the budget is used, such as 80%."
    )


class InlineBudgetEntry(BudgetEntry):
    """A budget of one mandate alone."""

    id: Name | None = Field(
        default=None,
        description="Its id is `<mandate>.<this>`; the default is its position in the list, from 1.",
    )


class DiscretionEntry(_FilePart):
    """Makes the mandate a mandate at discretion. `{}` is enough."""

    review_within: Duration | None = Field(
        default=None, description="The time within which a decision at discretion is reviewed, such as 5d."
    )
    reviewer: Name | None = Field(default=None, description="The role that reviews it.")


def _budget_form(value: Any) -> str:
    return INLINE_FORM if isinstance(value, dict | list) else ID_FORM


ID_FORM: Final = "[id]"
INLINE_FORM: Final = "[inline]"
Budgets = Annotated[
    list[
        Annotated[
            Annotated[Name, Tag(ID_FORM)] | Annotated[InlineBudgetEntry, Tag(INLINE_FORM)],
            Discriminator(_budget_form),
        ]
    ],
    BeforeValidator(_one_as_list),
    Field(min_length=1, json_schema_extra=_one_or_several),
]


class MandateEntry(_FilePart):
    """One row of the policy: who may grant what, up to which limit, out of which budgets."""

    id: Name = Field(description="The name of this mandate, in decisions.")
    grants: Kinds = Field(description='The kinds of request that it grants; "*" is every kind.')
    to: Names = Field(description="The roles that have it; roles that extend them have it too.")
    categories: list[FreeText] | None = Field(
        default=None, min_length=1, description="Only cases of these categories."
    )
    when: Condition | None = Field(default=None, description="Only if this CEL condition is true.")
    limit: Limit | None = Field(
        default=None,
        description="The largest amount, in major units of the currency: a number, or a CEL expression. "
        "Without it there is no limit.",
    )
    budgets: Budgets | None = Field(
        default=None,
        description="The budgets that it charges: ids of entries under `budgets`, or budgets of its own.",
    )
    discretion: DiscretionEntry | None = Field(
        default=None,
        description="Makes it a mandate at discretion. It is tried only if the request asks for discretion.",
    )


class StepEntry(_FilePart):
    """One step of the ladder: the role that is asked."""

    to: Name = Field(description="The role that may answer.")
    within: Duration | None = Field(
        default=None, description="After this much working time the next step is asked: 30m, 2h, 1d."
    )


class EscalationEntry(_FilePart):
    """The ladder: the roles that decide requests that no mandate grants."""

    id: Name = Field(description="The name of this ladder.")
    promise: Duration | None = Field(
        default=None, description="The customer gets an answer within this much working time."
    )
    steps: list[StepEntry] = Field(
        min_length=1, description="The steps, in the order in which they are asked."
    )
    acknowledge_within: Duration | None = Field(
        default=None,
        description="After this time, an approval that was acknowledged and not decided is offered again.",
    )
    when_exhausted: Literal["keep_open", "refuse"] | None = Field(
        default=None, description="The outcome of a request that nobody answers in time."
    )
    when_nobody: Literal["last_step", "refuse"] | None = Field(
        default=None,
        description="The outcome of a request that nobody on the ladder may grant: "
        "the people of the last step are asked (the default), or it is refused.",
    )


class KindEntry(_FilePart):
    """The label of a kind of request: its name for people, in each language."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    nl: Label | None = Field(default=None, description="The label in Dutch.")
    en: Label | None = Field(default=None, description="The label in English.")

    @model_validator(mode="after")
    def _has_a_label(self) -> Self:
        if self.nl is None and self.en is None:
            raise PydanticCustomError("label", "needs a label: write `nl`, `en` or both")
        return self


class PolicyDocument(_FilePart):
    """A policy of Mandaat: the mandates, prohibitions and budgets of a tenant."""

    policy: Name = Field(description="The tenant of this policy.")
    version: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Your own name for this version, in quotes. Every decision names it."
    )
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        description="The currency of all amounts, ISO 4217."
    )
    timezone: FreeText | None = Field(
        default=None,
        description="The time zone of budgets and hours, such as Europe/Amsterdam.",
    )
    hours: dict[Days, Annotated[list[Period], Field(min_length=1)]] | None = Field(
        default=None, min_length=1, description="Working time: days with periods such as 08:00-20:00."
    )
    holidays: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="The country whose public holidays are not working time, such as NL."
    )
    kinds: dict[Name, KindEntry] | None = Field(
        default=None,
        description="The labels of kinds of request in mail, answers and explanations, by language.",
    )
    roles: dict[Name, RoleEntry] = Field(min_length=1, description="The roles of staff.")
    define: dict[DefineName, Condition] | None = Field(
        default=None, description="Names for CEL conditions and amounts, for use in the expressions below."
    )
    budgets: dict[Name, BudgetEntry] | None = Field(
        default=None, description="Budgets that mandates can share, by id."
    )
    prohibitions: list[ProhibitionEntry] | None = Field(
        default=None, description="Requests that nobody may grant."
    )
    mandates: list[MandateEntry] = Field(min_length=1, description="The mandates, tried from top to bottom.")
    escalation: list[EscalationEntry] = Field(
        min_length=1,
        json_schema_extra={"maxItems": 1},
        description="The ladder, for requests that no mandate grants. Only one is supported for now.",
    )
