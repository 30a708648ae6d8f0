"""Engine and ledger, input by input, compared with the reference model."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.ids import approval_id
from schemas.moment import EARLIEST
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event
from tests.laws import engine, strategies
from tests.laws.charges import Json, text_of
from tests.laws.reference_books import Answer, DeadLetter, Key, NewAnswer, ReferenceBooks, RepeatedAnswer
from tests.laws.reference_model import ReferenceDecision
from tests.laws.rules_service import InMemoryStore, RulesService, Store

Event = dict[str, Any]


class Decisions(RuleBasedStateMachine):
    """The inputs of one tenant, in any order."""

    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[Key, Json] = {}
        self.verdicts: list[tuple[Key, Json]] = []
        self.said: dict[int, tuple[bytes, ...]] = {}
        self.heard = 0

    def open_store(self) -> Store:
        """An empty ledger."""
        return InMemoryStore()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        policy = strategies.with_somebody_to_ask(data.draw, data.draw(strategies.policies()))
        staff = data.draw(strategies.staffs(known=data.draw(st.booleans())))
        self.books = ReferenceBooks(policy, staff)
        self.service = RulesService(self.open_store(), self.runner, policy, staff)
        self.now = strategies.a_moment(data.draw, policy)

    # Inputs

    @rule(data=st.data(), count=st.integers(1, 4))
    def cases_are_submitted(self, data: st.DataObject, count: int) -> None:
        """In one batch over several partitions: some late, some twice, some in conflict."""
        cases = [self._a_case(data) for _ in range(count)]
        came = [self._submit(case, self._moment(data)) for case in cases]
        if strategies.one_in(data.draw, 3):
            came.append(self._submit(cases[0], self.now))
        if strategies.one_in(data.draw, 3):
            customer = {"id": "somebody else"}
            came.append(self._submit({**cases[-1], "customer": customer}, self.now))
        self._hear(came)

    @precondition(lambda self: self.cases)
    @rule(data=st.data())
    def a_request_is_repeated(self, data: st.DataObject) -> None:
        """With other facts, category and reason, at another time, its amount in another notation."""
        case = self.cases[self._known(data)]
        other = strategies.a_case(data.draw, self.books.policy, self.books.staff)
        request = {**case["request"], "reason": "asked again"}
        if "." in request.get("amount", ""):
            request["amount"] = request["amount"].rstrip("0").rstrip(".")
        again = {**case, "facts": other["facts"], "category": "billing", "request": request}
        self._hear([self._submit(again, self._moment(data))])

    @precondition(lambda self: self.cases)
    @rule(data=st.data())
    def a_request_id_is_used_for_something_else(self, data: st.DataObject) -> None:
        case = self.cases[self._known(data)]
        other = strategies.a_case(data.draw, self.books.policy, self.books.staff)
        part = data.draw(st.sampled_from(("agent_id", "customer", "request")))
        changed = {**case, part: other[part]}
        changed["request"] = {**changed["request"], "request_id": case["request"]["request_id"]}
        self._hear([self._submit(changed, self.now)])

    @rule(data=st.data())
    def a_request_is_withdrawn(self, data: st.DataObject) -> None:
        """Usually a known one; otherwise its case may come later."""
        unseen = f"c-{len(self.cases)}", "r1"
        key = self._known(data) if self.cases and not strategies.one_in(data.draw, 6) else unseen
        self._hear([self._withdraw(key)])

    @rule(data=st.data())
    def a_case_comes_is_withdrawn_and_comes_again_at_once(self, data: st.DataObject) -> None:
        """In one batch, and then another request of the same case."""
        case = self._a_case(data)
        key = case["case_id"], case["request"]["request_id"]
        other = {**case, "request": {**case["request"], "request_id": "r2"}}
        self.cases[case["case_id"], "r2"] = other
        came = [
            self._submit(case, self.now),
            self._withdraw(key),
            self._submit(case, self.now),
            self._submit(other, self.now),
        ]
        self._hear(came)

    @precondition(lambda self: self.cases)
    @rule(data=st.data())
    def somebody_answers(self, data: st.DataObject) -> None:
        """Usually on an open approval, and usually by a person who is asked."""
        waiting = [key for key, known in self.books.requests.items() if known.waiting and not known.closed]
        key = self._known(data)
        if waiting and not strategies.one_in(data.draw, 6):
            key = strategies.pick(data.draw, waiting)
        verdict = self._a_verdict(data, key)
        self.verdicts.append((key, verdict))
        self._hear([self._reply(key, verdict, self._moment(data))])

    @precondition(lambda self: self.cases)
    @rule(data=st.data())
    def a_person_who_is_asked_approves(self, data: st.DataObject) -> None:
        for key, known in self.books.requests.items():
            if known.waiting is None or known.closed:
                continue
            for name in self.books.asked(known.waiting, self.now):
                verdict = {"agent_id": name, "reply_id": f"reply-{len(self.verdicts)}", "approves": True}
                verdict["reason"] = "a good customer"
                self.verdicts.append((key, verdict))
                self._hear([self._reply(key, verdict, self._moment(data))])
            return

    @precondition(lambda self: self.verdicts)
    @rule(data=st.data(), otherwise=st.booleans())
    def an_answer_is_repeated(self, data: st.DataObject, otherwise: bool) -> None:
        """Unchanged, or with the same id and other content."""
        key, verdict = self.verdicts[data.draw(st.integers(0, len(self.verdicts) - 1))]
        if otherwise:
            verdict = {**verdict, "reason": "on second thoughts"}
        self._hear([self._reply(key, verdict, self.now)])

    # Changes of policy, staff and ledger

    @rule(data=st.data())
    def caps_are_changed(self, data: st.DataObject) -> None:
        self._activate(strategies.with_other_caps(data.draw, self.books.policy))

    @rule(data=st.data())
    def another_policy_comes_into_force(self, data: st.DataObject) -> None:
        currency = self.books.policy["currency"]
        policy = data.draw(strategies.policies(currencies=(currency,)))
        self._activate(strategies.with_somebody_to_ask(data.draw, policy))

    @rule(data=st.data())
    def somebody_comes_or_changes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(strategies.PEOPLE))
        staff = [one for one in self.books.staff if one["agent_id"] != name]
        self.books.staff = [*staff, strategies.a_person(data.draw, name)]
        self.service.hire(self.books.staff)

    @rule(hours=st.sampled_from((1, 12, 24, 24 * 7, 24 * 31)))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    # Invariants

    @invariant()
    def the_ledger_holds_what_was_charged(self) -> None:
        if self.heard:
            assert self.service.counters() == engine.counters_of(self.books.charges)

    @precondition(lambda self: self.heard)
    @rule()
    def an_empty_ledger_is_rebuilt_from_the_journal(self) -> None:
        self.service.is_the_journals()

    def teardown(self) -> None:
        if self.heard:
            self.service.is_the_journals()

    # Sending inputs and comparing the results

    def _activate(self, policy: Json) -> None:
        self.books.policy = policy
        self.service.activate(policy)

    def _moment(self, data: st.DataObject) -> datetime:
        late = timedelta(days=data.draw(st.sampled_from((0, 0, 0, 0, 1, 8, 31))))
        return max(self.now - late, EARLIEST)

    def _known(self, data: st.DataObject) -> Key:
        return strategies.pick(data.draw, list(self.cases))

    def _a_case(self, data: st.DataObject) -> Json:
        """The same people often ask for the same, so that they use the same budgets."""
        case = strategies.a_case(data.draw, self.books.policy, self.books.staff)
        if self.cases and strategies.one_in(data.draw, 2):
            before = self.cases[self._known(data)]
            case = {**before, "request": {**before["request"], "request_id": "r1"}}
        case["case_id"] = f"c-{len(self.cases)}"
        self.cases[case["case_id"], "r1"] = case
        return case

    def _a_verdict(self, data: st.DataObject, key: Key) -> Json:
        names = [*strategies.PEOPLE, "nobody"]
        verdict: dict[str, Any] = {
            "agent_id": data.draw(st.sampled_from(names)),
            "reply_id": f"reply-{len(self.verdicts)}",
            "approves": not strategies.one_in(data.draw, 5),
        }
        known = self.books.requests.get(key)
        if known is not None and known.waiting is not None and not strategies.one_in(data.draw, 4):
            asked = self.books.asked(known.waiting, self.now)
            verdict["agent_id"] = strategies.pick(data.draw, asked or names)
        if verdict["approves"] and strategies.one_in(data.draw, 3):
            currency = self.books.policy["currency"]
            verdict["amount"] = text_of(strategies.size(data.draw, currency), currency)
        if data.draw(st.booleans()):
            verdict["reason"] = "a good customer"
        return verdict

    def _submit(self, case: Json, now: datetime) -> tuple[Event, Answer]:
        return self._event(a_submitted_event(dict(case), time=now.isoformat())), self.books.submit(case, now)

    def _withdraw(self, key: Key) -> tuple[Event, Answer]:
        data = {"tenant": strategies.TENANT, "case_id": key[0], "request_id": key[1]}
        event = a_withdrawn_event(data=data, subject=key[0], time=self.now.isoformat())
        return self._event(event), self.books.withdraw(key)

    def _reply(self, key: Key, verdict: Json, now: datetime) -> tuple[Event, Answer]:
        said = {name: value for name, value in verdict.items() if name != "approves"}
        about = {"approval_id": approval_id(*key), "case_id": key[0], "request_id": key[1]}
        kind = "approve" if verdict["approves"] else "reject"
        event = a_verdict_event(kind, data={**said, **about}, subject=key[0], time=now.isoformat())
        return self._event(event), self.books.reply(key, verdict, now)

    def _event(self, event: Event) -> Event:
        self.heard += 1
        return {**event, "id": f"evt-{self.heard}"}

    def _hear(self, came: Sequence[tuple[Event, Answer]]) -> None:
        heard = self.service.hear(*[event for event, _ in came])
        expected: Counter[bytes] = Counter()
        for event, answer in came:
            if isinstance(answer, NewAnswer):
                self.said[answer.number] = heard.because_of(event)
        for at, (event, answer) in enumerate(came):
            note(f"{event['type']} {event['data']} -> {answer}")
            match answer:
                case RepeatedAnswer(of):
                    expected.update(self.said[of])
                case DeadLetter(reason):
                    assert heard.letters[at] == reason
                case NewAnswer():
                    expected.update(self.said[answer.number])
                    self._compare([json.loads(one) for one in self.said[answer.number]], answer)
        assert Counter(heard.published) == expected
        assert set(heard.letters) == {at for at, (_, one) in enumerate(came) if isinstance(one, DeadLetter)}

    def _compare(self, events: Sequence[Event], answer: NewAnswer) -> None:
        kinds = [event["type"].removeprefix("mandaat.").removesuffix(".v1") for event in events]
        reference = answer.reference
        if reference is None:
            assert kinds == [f"approval.{answer.kind}"]
            return
        said = engine.expected(reference, self.books.policy["currency"])
        if reference.outcome == "not_entitled":
            assert kinds == ["approval.not_entitled"]
            decision = {**said, "reasons": events[0]["data"]["reasons"]}
        else:
            assert kinds == [f"decision.{reference.outcome}", *self._beside(answer, reference)]
            decision = events[0]["data"]
            if reference.step is not None:
                approval = events[1]["data"]["approval"]
                assert (approval["step"], approval["approvers"]) == (
                    reference.step,
                    list(reference.approvers),
                )
        if answer.kind == "withdrawn":
            assert decision["charges"] == said["charges"]
        else:
            assert engine.forgiving(engine.as_reference(decision), said) == said

    @staticmethod
    def _beside(answer: NewAnswer, reference: ReferenceDecision) -> list[str]:
        if answer.closes:
            return ["approval.closed"]
        return ["approval.requested"] if reference.step is not None else []
