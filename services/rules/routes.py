"""The HTTP side of rules: what somebody may decide, and what is left of each budget."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Final, Protocol

from fastapi import Depends, FastAPI, Path, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field

from engine.explain.holdings import Room, counter_for, mandates_of, room_of
from engine.explain.may import mandate_in_words, prohibition_in_words
from engine.explain.words import Sentences, Speech
from engine.judging.budgets import Charge, Counters, local_day
from engine.judging.staff import StaffDirectory
from engine.policy.book import Budget, Mandate, PolicyBook, Prohibition
from schemas.decision import PolicyRef
from schemas.ids import CustomerId
from schemas.language import Language, preferred_language
from schemas.money import Money
from schemas.staff import StaffMember
from services.chassis.http.keys import Caller, Keys
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import TryAgain
from services.chassis.process.threads import in_thread
from services.rules.ledger.counters import CounterReader, CounterReading

BEARER: Final = HTTPBearer(auto_error=False, description="A key of MANDAAT_KEYS_FILE; it implies the tenant.")
DEFAULT_LANGUAGE: Final[Language] = "nl"
MOST_WAITING: Final = 8
"""One is answered at a time; who comes when so many wait is asked to come back."""
Charges = Mapping[str, Charge | None]
"""Of each budget by its id the counter that is read; None where no customer is named."""
Seen = Sequence[tuple[CounterReading, Mapping[str, int]]]
"""What the ledger's counters held, by field."""


class AgentView(BaseModel):
    """Whose mandate it is."""

    agent_id: str
    role: str
    team: str


class BudgetView(BaseModel):
    """A budget of a mandate; amounts are decimal strings, decisions are numbers."""

    budget: str = Field(description="As charges and reasons name it.")
    per: str = Field(description="`agent`, `team`, `customer` or `tenant`.")
    window: str = Field(description="`day`, `week`, `month`, `year` or `30d`.")
    scope: str | None = Field(description="Whose counter it is; null where no customer is named.")
    cap: str | int = Field(description="An amount, or of a budget that counts a number of decisions.")
    used: str | int | None = Field(description="With what is being decided at this moment.")
    left: str | int | None = Field(description="Null where no customer is named.")
    renews_at: AwareDatetime | None = Field(
        description="When there is more room than now; null where nothing is used."
    )


class LimitView(BaseModel):
    """The ceiling of one decision: an amount, or a formula that comes out for each case."""

    amount: str | None
    formula: str | None


class DiscretionView(BaseModel):
    """That the request must say `discretion: true`, with a reason."""

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
    sentence: str = Field(description="The same in words, in the language of Content-Language.")


class ProhibitionItem(BaseModel):
    """What nobody of the agent's role may grant, whatever their mandates."""

    prohibition: str
    kinds: list[str] | None = Field(description="The kinds of request; null is every kind.")
    categories: list[str] | None = Field(description="Only cases of these; null is all.")
    when: str | None = Field(description="The condition as the policy writes it.")
    except_: list[str] = Field(
        serialization_alias="except",
        validation_alias="except",
        description="The roles to whom it does not apply, nor to those that extend them. [] is none.",
    )
    reason: str = Field(description="Why, in the words of the policy.")
    sentence: str = Field(description="The same in words, in the language of Content-Language.")


class MandateView(BaseModel):
    """What somebody may decide, in the order in which it is tried."""

    agent: AgentView
    policy: PolicyRef
    currency: str
    at: AwareDatetime
    define: dict[str, str] = Field(description="What the names in conditions and formulas stand for.")
    prohibitions: list[ProhibitionItem] = Field(description="They stand above every mandate.")
    mandates: list[MandateItem]


class Followed(Protocol):
    """Policies and staff that follow their topics."""

    def ready(self) -> str | None:
        """What is wrong, or None."""
        ...

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of a tenant."""
        ...

    def staff(self, tenant: str) -> StaffDirectory:
        """Who works for a tenant."""
        ...


class OneAtATime:
    """Lets one in, and so many wait."""

    def __init__(self, most_waiting: int) -> None:
        self._lock = asyncio.Lock()
        self._most = 1 + most_waiting
        self._here = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Returns when it is one's turn. Raises Problem where too many wait."""
        if self._here >= self._most:
            raise HttpProblem(
                503, "busy", "Many ask this at once. Ask again in a moment.", headers={"Retry-After": "1"}
            )
        self._here += 1
        try:
            async with self._lock:
                yield
        finally:
            self._here -= 1


@dataclass(frozen=True)
class Inquiry:
    """What the route needs."""

    tables: Followed
    counters: CounterReader
    words: Sentences
    clock: Callable[[], datetime]
    one_at_a_time: OneAtATime = field(default_factory=lambda: OneAtATime(MOST_WAITING))
    """Thousands of mandates take a while, beside the loop that decides: several would take its time."""

    async def mandate(
        self, tenant: str, agent_id: str, customer: str | None, asked_language: str | None
    ) -> tuple[bytes, Language]:
        """What an agent may decide now: a MandateView as JSON, and the language of its sentences.

        Raises Problem, also where too many wait, and TryAgain where tables or ledger are away.
        """
        unread = self.tables.ready()
        if unread is not None:
            raise TryAgain(unread)
        book, person = self.tables.book(tenant), self.tables.staff(tenant).get(agent_id)
        if book is None:
            raise HttpProblem(404, "no-policy", "No policy is active; publish one.")
        if person is None:
            raise HttpProblem(404, "unknown-agent", "Nobody of your staff has that id.")
        language = preferred_language(asked_language, person.language, DEFAULT_LANGUAGE)
        about = _About(book, person, customer, self.clock())
        async with self.one_at_a_time.turn():
            rows, charges = await in_thread(about.charges)
            wanted = [
                CounterReading(charge.key, charge.field, charge.days)
                for charge in charges.values()
                if charge is not None
            ]
            found = await self.counters.read(wanted) if wanted else []
            seen = list(zip(wanted, found, strict=True))
            return await in_thread(lambda: about.view(rows, charges, seen, self.words, language)), language


@dataclass(frozen=True)
class _About:
    """Whose mandate is asked for, by which policy, and when."""

    book: PolicyBook
    person: StaffMember
    customer: str | None
    now: datetime

    @property
    def day(self) -> date:
        return local_day(self.now, self.book.zone)

    def charges(self) -> tuple[list[Mandate], Charges]:
        """The mandates in their order, and the counters of their budgets; None where no customer is named."""
        rows = mandates_of(self.book, self.person.role)
        budgets = {budget.id: budget for row in rows for budget in row.budgets}
        found = {
            name: counter_for(budget, self.book, self.person, self.customer, self.day)
            for name, budget in budgets.items()
        }
        return rows, found

    def view(
        self,
        rows: Sequence[Mandate],
        charges: Charges,
        seen: Seen,
        words: Sentences,
        language: Language,
    ) -> bytes:
        """A MandateView as JSON."""
        book, person, counters = self.book, self.person, Counters()
        for one, amounts in seen:
            counters.add((one.key, field, amount) for field, amount in amounts.items())
        rooms = {
            name: None if charge is None else room_of(charge, counters.look, self.day, book.zone)
            for name, charge in charges.items()
        }
        speech = words.about(book, language)
        whole = MandateView(
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
        return whole.model_dump_json(by_alias=True).encode()


def add_routes(app: FastAPI, inquiry: Inquiry, keys: Keys) -> None:
    """Add the routes of rules to an application."""

    async def reader(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), "read")

    @app.get(
        "/v1/agents/{agent_id:path}/mandate",
        response_model=None,
        responses={200: {"model": MandateView, "description": "In the order in which they are tried"}},
        summary="What an agent may decide now, and what is left of each budget",
    )
    async def mandate(
        agent_id: Annotated[str, Path(description="The id of the staff record, percent-encoded.")],
        request: Request,
        caller: Annotated[Caller, Depends(reader)],
        customer: Annotated[
            CustomerId | None, Query(description="Of whom the budgets per customer are read.")
        ] = None,
    ) -> Response:
        body, language = await inquiry.mandate(
            caller.tenant, agent_id, customer, request.headers.get("accept-language")
        )
        headers = {"Content-Language": language, "Vary": "Accept-Language, Authorization"}
        return Response(body, media_type="application/json", headers=headers)


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
    charges: Charges,
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
