"""Writes the letters: one template for each letter and language makes both plain text and HTML.

Text of people reaches a template only as a value: cleaned, escaped in HTML, and never a template itself.
A letter to a customer holds no internal reasons.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, assert_never

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.decision import Decision
from schemas.language import Language, amount_text
from schemas.notice import Audience
from schemas.staff import StaffMember
from services.notifier.letters.clean import clean_code, clean_line, clean_text, without_tricks
from services.notifier.letters.tenant_style import USUAL_STYLE, TenantStyle
from services.notifier.letters.words import Words
from services.notifier.planning.event_kinds import EVENT_KINDS, Event
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.recipients import counter_of

FindMember = Callable[[str], StaffMember | None]
WIDTH: Final = 76
MOST_SUBJECT: Final = 150

LETTERS: Final[Mapping[tuple[Audience, str], str]] = {
    (audience, type_): template
    for type_, kind in EVENT_KINDS.items()
    for audience, template in kind.letters.items()
}
"""(audience, type of the event) -> template."""


@dataclass(frozen=True)
class Letter:
    """The texts of one mail. The subject is one line."""

    subject: str
    text: str
    html: str
    language: Language


class LetterWriter:
    """Writes letters from the templates of `loader`, and reads each template once."""

    def __init__(self, loader: BaseLoader, words: Words) -> None:
        self._text = _environment(loader, autoescape=False)
        self._html = _environment(loader, autoescape=True)
        self._words = words

    def write(
        self,
        notice: PendingNotice,
        event: Event,
        case: Case,
        name: str | None,
        language: Language,
        find_member: FindMember,
        remark: str = "",
        style: TenantStyle = USUAL_STYLE,
    ) -> Letter:
        """The letter of this notice to a reader of that name.

        `case` is as it was submitted. `remark` is of the person who decided, where the decision is older than
        its field for that (docs/notices.md, Who is told). Only colleagues read it.
        """
        template = f"{language}/{LETTERS[notice.recipient.audience, event.type]}.jinja"
        values = self._values(notice, event, case, language, find_member)
        values["kind"] = self._words.kind(case.request.kind, language, style.labels)
        values["signature"] = clean_line(style.signature, 100)
        values["name"] = clean_line(name, 100) if name else ""
        values["remark"] = clean_text(_remark(event) or remark, 2000)
        plain = self._text.get_template(template).make_module({**values, "parts": "parts.txt.jinja"})
        rich = self._html.get_template(template).make_module({**values, "parts": "parts.html.jinja"})
        subject, footer = clean_line(str(plain.subject), MOST_SUBJECT), str(plain.footer)  # type: ignore[attr-defined] # set in the template
        frame = {"subject": subject, "footer": footer, "language": language}
        frame |= {"logo": style.logo, "signature": values["signature"]}
        text = self._text.get_template("layout.txt.jinja").render(frame, body=str(plain).strip() + "\n")
        html = self._html.get_template("layout.html.jinja").render(frame, body=Markup(str(rich).strip()))  # noqa: S704 - escaped by its own template
        return Letter(subject, text, html, language)

    def _values(
        self, notice: PendingNotice, event: Event, case: Case, language: Language, find_member: FindMember
    ) -> dict[str, Any]:
        request, words = case.request, self._words
        requester = find_member(case.agent_id) if case.agent_id else None
        values: dict[str, Any] = {
            "case_id": clean_code(case.case_id),
            "request_id": clean_code(request.request_id),
            "case_subject": clean_line(case.subject or ""),
            "category": clean_line(case.category or ""),
            "customer": clean_line(case.customer.name or case.customer.id, 100),
            "requested_amount": _money(request.amount, request.currency, language),
            "requester": clean_line(
                requester.name if requester else case.agent_id or words.sign("somebody", language), 100
            ),
            "requester_place": clean_line(f"{requester.role.replace('_', ' ')}, {requester.team}")
            if requester
            else "",
        }
        match event.data:
            case Decision() as decision:
                return values | self._of_decision(notice, decision, case, language, find_member)
            case ApprovalEvent() as approval:
                return values | self._of_approval(notice, approval, case, language, find_member)
        assert_never(event.data)

    def _of_decision(
        self,
        notice: PendingNotice,
        decision: Decision,
        case: Case,
        language: Language,
        find_member: FindMember,
    ) -> dict[str, Any]:
        currency = decision.currency or case.request.currency
        return {
            "amount": _money(decision.amount, currency, language),
            "approved": decision.outcome == "approved",
            "partly": is_partly_approved(decision, case),
            "by": decision.by or "",
            "some_roles_are_exempt": bool(decision.reasons)
            and all(one.figures.get("except") for one in decision.reasons),
            "charges": bool(decision.charges),
            "withdrawal_reason": _withdrawal_reason(decision),
            "decider": _name(decision.decided_by, find_member),
            "own_verdict": decision.decided_by is not None and decision.decided_by == notice.recipient.person,
            "mandate": decision.mandate or "",
            "policy": _policy(decision.policy.name, decision.policy.version),
            "on_the_spot": _money(decision.on_the_spot, currency, language),
            "reasons": self._words.all_reasons(decision.reasons, currency, language),
            "budget": self._budget(notice, decision, currency, language, find_member),
        }

    def _budget(
        self,
        notice: PendingNotice,
        decision: Decision,
        currency: str | None,
        language: Language,
        find_member: FindMember,
    ) -> dict[str, Any] | None:
        """The warning that this notice is about; None if it is about none."""
        counter = notice.recipient.counter
        warning = next((one for one in decision.warnings or () if counter_of(one) == counter), None)
        if warning is None:
            return None
        kind, _, whom = warning.scope.partition(":")
        name = _name(whom, find_member) if kind == "agent" else clean_line(whom, 100)
        days = "" if warning.days is None else self._words.sign("days", language).format(days=warning.days)
        return {
            "id": clean_line(warning.budget, 100),
            "at": warning.at,
            "used": _use(warning.used, currency, language),
            "limit": _use(warning.limit, currency, language),
            "whose": self._words.sign(f"scope_{kind}", language).format(whom=name),
            "window": clean_line(f"{days} {warning.window.replace('T', ' ')}".strip()),
        }

    def _of_approval(
        self,
        notice: PendingNotice,
        event: ApprovalEvent,
        case: Case,
        language: Language,
        find_member: FindMember,
    ) -> dict[str, Any]:
        approval, closing = event.approval, event.approval.closing
        own = next((one for one in approval.told if one.agent_id == notice.recipient.person), None)
        cover = None if own is None else own.covers
        return {
            "approval_id": approval.approval_id,
            "policy": _policy(approval.policy.name, approval.policy.version),
            "stands_in_for": _name(None if own is None else own.stands_in_for, find_member),
            "part_is_known": own is not None,
            "own_mandate": clean_line(cover.mandate) if cover is not None else "",
            "own_limit": _money(cover.limit, cover.currency, language) if cover is not None else "",
            "own_mandate_grants": cover is not None and cover.grants,
            "request_reason": clean_text(case.request.reason or "", 2000),
            "facts": self._words.facts(approval.case.facts, language),
            "claims": self._words.facts(approval.case.claims, language),
            "decider": _name(closing.decided_by if closing else None, find_member),
            "own_verdict": closing is not None and closing.decided_by == notice.recipient.person,
            "outcome": closing.outcome if closing else "",
            "closed_as": self._words.sign(closing.outcome, language) if closing else "",
            "given_amount": _given_amount(event, language),
            "reasons": self._words.all_reasons(event.reasons, case.request.currency, language),
        }


def is_partly_approved(decision: Decision, case: Case) -> bool:
    """Whether less was granted than was asked."""
    asked, granted = case.request, decision.amount
    return (
        decision.outcome == "approved"
        and granted is not None
        and asked.amount is not None
        and decision.currency in (None, asked.currency)
        and Decimal(granted) < Decimal(asked.amount)
    )


def _environment(loader: BaseLoader, *, autoescape: bool) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=autoescape,  # noqa: S701 - off for plain text only
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
        auto_reload=False,
    )
    environment.filters["wrapped"] = _wrapped
    return environment


def _safe(value: Any) -> Any:
    """Clean a value once more when a template prints it. Markup that is escaped already stays."""
    return without_tricks(value) if type(value) is str else value


def _wrapped(text: str, indent: str = "", first: str = "") -> str:
    """A paragraph of plain text, broken into lines. A long word stays whole."""
    return textwrap.fill(
        " ".join(str(text).split(" ")),
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _money(amount: str | None, currency: str | None, language: Language) -> str:
    return amount_text(amount, currency, language) if amount is not None and currency is not None else ""


def _use(use: str | int, currency: str | None, language: Language) -> str:
    return str(use) if isinstance(use, int) else _money(use, currency, language)


def _given_amount(event: ApprovalEvent, language: Language) -> str:
    """The other amount that somebody wanted to approve; empty where there is none."""
    for reason in event.reasons:
        amount, currency = reason.figures.get("amount"), reason.figures.get("currency")
        if isinstance(amount, str) and isinstance(currency, str):
            return _money(amount, currency, language)
    return ""


def _remark(event: Event) -> str | None:
    """The words of the person who decided, if the event is a decision that has them."""
    return event.data.note if isinstance(event.data, Decision) else None


def _name(person: str | None, find_member: FindMember) -> str:
    if person is None:
        return ""
    member = find_member(person)
    return clean_line(member.name if member else person, 100)


def _withdrawal_reason(decision: Decision) -> str:
    """The reason of the person who withdrew it; empty where they gave none, and for any other decision."""
    figures = next((reason.figures for reason in decision.reasons if reason.code == "withdrawn"), {})
    return clean_text(str(figures.get("reason") or ""), 2000)


def _policy(name: str, version: str) -> str:
    return clean_line(f"{name} {version}")
