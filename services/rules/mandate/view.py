"""The answer of the mandate page (docs/mandate.md), and how it is made from policy and counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import AwareDatetime, BaseModel, Field

from engine.explain.holdings import Room, counter_for, mandates_of, room_of
from engine.explain.may import mandate_in_words, prohibition_in_words
from engine.explain.words import Sentences, Speech
from engine.judging.budgets import Charge, Counters
from engine.policy.book import Budget, Mandate, PolicyBook, Prohibition
from schemas.decision import PolicyRef
from schemas.language import Language
from schemas.money import Money
from schemas.staff import StaffMember

ChargeByBudget: TypeAlias = Mapping[str, Charge | None]
"""The counter of each budget, by its id; None if it is of a case, or of a customer and none is named."""
Amounts: TypeAlias = Sequence[tuple[str, Mapping[str, int]]]
"""The key of each counter that was read, and what it holds by field."""


class AgentView(BaseModel):
    """The agent whose mandate it is."""

    agent_id: str
    role: str
    team: str


class BudgetView(BaseModel):
    """A budget of a mandate; amounts are decimal strings, decisions are numbers."""

    budget: str = Field(description="As charges and reasons name it.")
    per: str = Field(description="`agent`, `team`, `customer`, `case` or `tenant`.")
    window: str = Field(description="`hour`, `day`, `week`, `month`, `quarter`, `year` or `30d`.")
    scope: str | None = Field(
        description="The owner of the counter; null for a budget per case, or if no customer is named."
    )
    cap: str | int = Field(description="An amount; or a number of decisions, for a budget that counts.")
    used: str | int | None = Field(description="Includes decisions that are being made at this moment.")
    left: str | int | None = Field(description="Null if `scope` is null.")
    renews_at: AwareDatetime | None = Field(
        description="When there will be more room; null if nothing is used."
    )


class LimitView(BaseModel):
    """The ceiling of one decision: an amount, or a formula that is evaluated for each case."""

    amount: str | None
    formula: str | None


class DiscretionView(BaseModel):
    """The request must say `discretion: true`, with a reason."""

    review_within: str | None
    reviewer: str | None


class MandateItem(BaseModel):
    """One mandate."""

    mandate: str
    kinds: list[str] | None = Field(description="The kinds of request; null is every kind.")
    categories: list[str] | None = Field(description="Only cases of these; null is all.")
    when: str | None = Field(description="The condition as the policy writes it.")
    limit: LimitView | None = Field(description="Null is no ceiling.")
    discretion: DiscretionView | None = Field(description="Null of an ordinary mandate.")
    budgets: list[BudgetView] = Field(description="All of them must have room.")
    sentence: str = Field(description="The same as a sentence, in the language of Content-Language.")


class ProhibitionItem(BaseModel):
    """A grant that the agent's role may not make, whatever its mandates."""

    prohibition: str
    kinds: list[str] | None = Field(description="The kinds of request; null is every kind.")
    categories: list[str] | None = Field(description="Only cases of these; null is all.")
    when: str | None = Field(description="The condition as the policy writes it.")
    except_: list[str] = Field(
        serialization_alias="except",
        validation_alias="except",
        description="Roles that are excepted, with the roles that extend them. [] is none.",
    )
    reason: str = Field(description="Why, in the words of the policy.")
    sentence: str = Field(description="The same as a sentence, in the language of Content-Language.")


class MandateView(BaseModel):
    """What an agent may decide. Mandates are in the order in which they are tried."""

    agent: AgentView
    policy: PolicyRef
    currency: str
    at: AwareDatetime
    define: dict[str, str] = Field(description="The meaning of the names in conditions and formulas.")
    prohibitions: list[ProhibitionItem] = Field(description="They go before every mandate.")
    mandates: list[MandateItem]


@dataclass(frozen=True)
class MandateQuestion:
    """The agent whose mandate is asked for, the policy, the customer if one is named, and the time."""

    book: PolicyBook
    person: StaffMember
    customer: str | None
    now: datetime

    @property
    def local(self) -> datetime:
        """The time in the policy's time zone."""
        return self.now.astimezone(self.book.zone)

    def charges(self) -> tuple[list[Mandate], ChargeByBudget]:
        """The mandates in their order, and the counters of their budgets."""
        rows = mandates_of(self.book, self.person.role)
        budgets = {budget.id: budget for row in rows for budget in row.budgets}
        found = {
            name: counter_for(budget, self.book, self.person, self.local, self.customer)
            for name, budget in budgets.items()
        }
        return rows, found

    def view(
        self,
        rows: Sequence[Mandate],
        charges: ChargeByBudget,
        amounts: Amounts,
        words: Sentences,
        language: Language,
    ) -> bytes:
        """A MandateView as JSON."""
        book, person, counters = self.book, self.person, Counters()
        for key, by_field in amounts:
            counters.add((key, field, amount) for field, amount in by_field.items())
        rooms = {
            name: None if charge is None else room_of(charge, counters.use_of, self.local)
            for name, charge in charges.items()
        }
        speech = words.about(book, language)
        answer = MandateView(
            agent=AgentView(agent_id=person.agent_id, role=person.role, team=person.team),
            policy=PolicyRef(name=book.name, version=book.version, digest=book.digest),
            currency=book.currency,
            at=self.now,
            define=dict(book.define),
            prohibitions=[
                _prohibition(row, book, speech)
                for row in book.prohibitions.every()
                if person.role not in row.excepted
            ],
            mandates=[_item(row, book, charges, rooms, speech) for row in rows],
        )
        return answer.model_dump_json(by_alias=True).encode()


def _prohibition(row: Prohibition, book: PolicyBook, speech: Speech) -> ProhibitionItem:
    return ProhibitionItem(
        prohibition=row.id,
        kinds=None if row.kinds is None else sorted(row.kinds),
        categories=None if row.categories is None else sorted(row.categories),
        when=None if row.when is None else row.when.text,
        **{"except": list(row.named)},
        reason=row.reason,
        sentence=prohibition_in_words(row, book.define, speech),
    )


def _item(
    row: Mandate,
    book: PolicyBook,
    charges: ChargeByBudget,
    rooms: Mapping[str, Room | None],
    speech: Speech,
) -> MandateItem:
    discretion = row.discretion
    return MandateItem(
        mandate=row.id,
        kinds=None if row.kinds is None else sorted(row.kinds),
        categories=None if row.categories is None else sorted(row.categories),
        when=None if row.when is None else row.when.text,
        limit=_limit(row, book.currency),
        discretion=None
        if discretion is None
        else DiscretionView(review_within=discretion.review_within, reviewer=discretion.reviewer),
        budgets=[
            _budget(budget, charges[budget.id], rooms[budget.id], book.currency) for budget in row.budgets
        ],
        sentence=mandate_in_words(row, rooms, book.define, speech),
    )


def _limit(row: Mandate, currency: str) -> LimitView | None:
    if row.limit is None:
        return None
    if isinstance(row.limit, int):
        return LimitView(amount=Money(row.limit, currency).text, formula=None)
    return LimitView(amount=None, formula=row.limit.text)


def _budget(budget: Budget, charge: Charge | None, room: Room | None, currency: str) -> BudgetView:
    def number(value: int) -> str | int:
        return value if budget.cap is None else Money(value, currency).text

    return BudgetView(
        budget=budget.id,
        per=budget.per,
        window=budget.window.text,
        scope=None if charge is None else charge.scope,
        cap=number(budget.most),
        used=None if room is None else number(room.used),
        left=None if room is None else number(room.left),
        renews_at=None if room is None else room.renews_at,
    )
