"""Letters are in the reader's language, hold only what a reader may know, and keep text of people as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import types
from schemas.case import Case
from schemas.decision import Reason
from schemas.reasons import CATALOGUE
from services.notifier.app import letter_writer
from services.notifier.letters.letter_writer import LETTERS, Letter
from services.notifier.letters.tenant_style import TenantStyle
from services.notifier.planning.recipients import counter_of
from tests.builders.approvals import a_closed_approval, an_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_budget_warning, a_decision, over_limit
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.notices import a_pending_notice
from tests.builders.staff import a_member

WRITER = letter_writer()
STAFF = {
    "agent-01": a_member("agent-01", name="R. Visser"),
    "lead-01": a_member("lead-01", name="M. de Boer"),
}
PERSONS = {
    "customer": "cu-1",
    "agent": "agent-01",
    "approver": "lead-02",
    "giver": "lead-02",
    "lead": "lead-02",
}


def an_event(type_: str, case: Case, **changes: Any) -> Any:
    """An event of that type about the case."""
    outcomes = {name: outcome for outcome, name in types.DECISION_TYPES.items()}
    if type_ in outcomes:
        return a_decision_event(a_decision(case, outcomes[type_], **changes))
    approval = (
        a_closed_approval(case, "lead-01") if type_ == types.APPROVAL_LATE else an_approval(case, "lead-01")
    )
    return an_approval_event(type_, approval, **{"giver": "lead-02", "reply_id": "reply-9"} | changes)


def a_letter(
    audience: str,
    type_: str,
    language: Any = "en",
    case: Case | None = None,
    remark: str = "",
    **changes: Any,
) -> Letter:
    case = case or a_case()
    counter = None
    if audience == "lead":
        changes = {"warnings": (a_budget_warning(),)} | changes
        counter = counter_of(changes["warnings"][0])
    event = an_event(type_, case, **changes)
    pending = a_pending_notice(event, audience, PERSONS[audience], counter)
    return WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get, remark)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(("audience", "type_"), LETTERS)
def test_every_letter_exists_in_both_languages_and_greets_its_reader(
    audience: str, type_: str, language: str
) -> None:
    letter = a_letter(audience, type_, language)
    for words in (letter.text, letter.html):
        assert "A. Bakker" in words
        assert "c-1" in words or "apr_" in words
    assert letter.subject
    assert "{{" not in letter.text + letter.html
    assert max(map(len, letter.text.splitlines())) <= 100


def test_a_customer_reads_amounts_as_their_language_writes_them() -> None:
    case = a_case(amount="1285.12")
    dutch = a_letter("customer", types.DECISION_APPROVED, "nl", case)
    english = a_letter("customer", types.DECISION_APPROVED, "en", case)
    assert "Bedrag: €\u00a01.285,12" in dutch.text
    assert "Amount: €1,285.12" in english.text


@pytest.mark.parametrize("type_", [type_ for audience, type_ in LETTERS if audience == "customer"])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_customer_reads_no_internal_reason_mandate_or_policy(type_: str, language: str) -> None:
    reason = Reason(code="house_rule", text="customer is on the fraud list", mandate="fraud-desk")
    changes: dict[str, Any] = {
        "reasons": (reason, over_limit()),
        "mandate": "secret-mandate",
        "on_the_spot": "12.34",
    }
    letter = a_letter("customer", type_, language, remark="a difficult one", **changes)
    said = (letter.subject + letter.text + letter.html).lower()
    for secret in ("fraud", "late-delivery", "secret-mandate", "12.34", "12,34", "2026-03-01", "difficult"):
        assert secret not in said


def test_a_customer_whose_request_waits_is_promised_no_time() -> None:
    letter = a_letter("customer", types.DECISION_ESCALATED)
    assert not re.search(r"\b(hour|minute|today|tomorrow|o'clock)", letter.text)


def test_an_agent_sees_why_and_what_could_have_been_granted_on_the_spot() -> None:
    dutch = a_letter("agent", types.DECISION_ESCALATED, "nl", on_the_spot="40.00")
    assert "€\u00a040,00 kunnen toekennen" in dutch.text
    assert "Mandaat “late-delivery” gaat tot €\u00a040,00." in dutch.text
    english = a_letter("agent", types.DECISION_ESCALATED, "en", on_the_spot="40.00")
    assert "You could have granted €40.00 on the spot" in english.text
    assert "Mandate “late-delivery” goes up to €40.00." in english.text


def test_a_verdict_above_the_limit_is_answered_with_both_amounts() -> None:
    figures: dict[str, Any] = {"limit": "150.00", "amount": "200.00", "currency": "EUR"}
    reason = Reason(code="over_limit", text="too much", mandate="lead", figures=figures)
    case = a_case(amount="25.00")
    dutch = a_letter("giver", types.APPROVAL_NOT_ENTITLED, "nl", case, reasons=(reason,)).text
    assert "Bedrag: €\u00a025,00" in dutch
    assert "Jouw bedrag: €\u00a0200,00" in dutch
    as_asked = a_case(amount="200.00")
    english = a_letter("giver", types.APPROVAL_NOT_ENTITLED, "en", as_asked, reasons=(reason,)).text
    assert "Your amount" not in english


def prohibited(**figures: str) -> Reason:
    figures = {"reason": "only at the desk", **figures}
    return Reason(code="prohibited", text="only at the desk", prohibition="cash", figures=dict(figures))


def test_an_agent_reads_which_roles_are_exempt_from_a_prohibition() -> None:
    reasons = (prohibited(**{"except": "team_lead, manager"}),)
    letter = a_letter("agent", types.DECISION_REFUSED, "nl", by="prohibition", reasons=reasons)
    text = flat(letter.text)
    assert "Volgens regel “cash” mag niemand dit, behalve team lead, manager: only at the desk" in text
    assert "Het verzoek is niet naar hen doorgezet." in text
    assert "mag niemand dit toekennen" not in text


def test_nobody_can_grant_a_request_when_one_prohibition_has_no_exception() -> None:
    reasons = (prohibited(), prohibited(**{"except": "team_lead"}))
    letter = a_letter("agent", types.DECISION_REFUSED, "en", by="prohibition", reasons=reasons)
    assert "under the policy, nobody may grant it" in flat(letter.text)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "nl",
            "In budget “goodwill-day” is nog €\u00a05,00 over."
            " Vanaf dinsdag 3\u00a0maart 2026 is er weer ruimte.",
        ),
        (
            "en",
            "The budget “goodwill-day” has €5.00 left. There is room again from Tuesday 3\u00a0March 2026.",
        ),
    ],
)
def test_a_budget_that_is_used_up_says_what_is_left_and_when_there_is_room_again(
    language: str, sentence: str
) -> None:
    reason = budget_exhausted()
    for audience, type_ in (("agent", types.DECISION_ESCALATED), ("approver", types.APPROVAL_REQUESTED)):
        assert sentence in flat(a_letter(audience, type_, language, reasons=(reason,)).text)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "nl",
            "In budget “goodwill-day” is nog €\u00a05,00 over. Zoveel past nooit in dit budget. --",
        ),
        ("en", "The budget “goodwill-day” has €5.00 left. The request is larger than the whole budget. --"),
    ],
)
def test_a_budget_that_never_has_room_for_so_much_says_so(language: str, sentence: str) -> None:
    reason = budget_exhausted(renews_at=None)
    letter = a_letter("agent", types.DECISION_ESCALATED, language, reasons=(reason,))
    assert sentence in flat(letter.text)


def test_a_budget_that_counts_has_no_amount() -> None:
    text = flat(a_letter("agent", types.DECISION_ESCALATED, "en", reasons=(budget_exhausted(left=0),)).text)
    assert "The budget “goodwill-day” is used up. There is room again" in text


def test_a_letter_says_under_whose_authority_it_was_decided() -> None:
    own = a_letter("agent", types.DECISION_APPROVED, by="discretion")
    assert "on your own judgement" in flat(own.text)
    assert "within your mandate" not in flat(own.text)
    nobody = a_letter("agent", types.DECISION_REFUSED, by="ladder")
    assert "no colleague who could be asked may grant it" in flat(nobody.text)
    assert "under the policy, nobody may grant it" not in flat(nobody.text)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(
    "code",
    ["discretion_needs_reason", "nobody_may_grant", "amount_missing", "no_mandate", "budget_exhausted"],
)
def test_known_reasons_are_written_in_the_readers_language(language: str, code: str) -> None:
    reason = budget_exhausted().model_copy(update={"code": code, "text": "in the words of rules"})
    letter = a_letter("agent", types.DECISION_ESCALATED, language, reasons=(reason,))
    assert "in the words of rules" not in letter.text


def test_an_unknown_reason_is_shown_in_the_words_of_rules() -> None:
    reason = Reason(code="moon_phase", text="The moon is wrong.")
    assert "The moon is wrong." in a_letter("agent", types.DECISION_ESCALATED, "nl", reasons=(reason,)).text


def test_a_known_reason_without_its_figures_is_shown_in_the_words_of_rules() -> None:
    reason = Reason(code="over_limit", text="It is too much.", mandate="small")
    assert "It is too much." in a_letter("agent", types.DECISION_ESCALATED, "nl", reasons=(reason,)).text


def test_an_approver_reads_the_request_who_asks_the_facts_and_how_to_answer() -> None:
    case = a_case(reason="late twice\nand rude", claims={"ordered_again": True})
    text = a_letter("approver", types.APPROVAL_REQUESTED, "en", case).text
    for piece in (
        "R. Visser (agent, north)",
        "€45.00",
        "> late twice\n> and rude",
        "days late: 6",
        "ordered again: yes",
        "POST /v1/approvals/apr_Yy0xAHIx/approve",
        "POST /v1/approvals/apr_Yy0xAHIx/reject",
    ):
        assert piece in text


def test_colleagues_read_who_decided_and_their_remark() -> None:
    changes: dict[str, Any] = {"by": "person", "decided_by": "lead-01", "amount": "30.00"}
    for audience in ("agent", "approver"):
        text = a_letter(audience, types.DECISION_APPROVED, "en", remark="Half is fair.", **changes).text
        assert "M. de Boer" in text
        assert "> Half is fair." in text
        assert "€30.00" in text
        assert "€45.00" in text


@pytest.mark.parametrize("language", ["nl", "en"])
def test_colleagues_read_who_withdrew_a_request_and_why_and_the_customer_does_not(language: str) -> None:
    asked = Reason(code="withdrawn", text="It was.", figures={"agent": "lead-01", "reason": "sent twice"})
    changes: dict[str, Any] = {"by": "person", "decided_by": "lead-01", "reasons": (asked,)}
    for audience in ("agent", "approver"):
        text = flat(a_letter(audience, types.DECISION_WITHDRAWN, language, **changes).text)
        assert "M. de Boer" in text
        assert "> sent twice" in text
    customer = a_letter("customer", types.DECISION_WITHDRAWN, language, **changes)
    assert "sent twice" not in customer.text + customer.html
    assert "Boer" not in customer.text


def test_an_agent_reads_that_budgets_are_free_again_only_if_they_were_charged() -> None:
    back = {"budget": "day", "scope": "tenant", "window": "2026-03-02", "amount": "-45.00"}
    with_charges = a_letter("agent", types.DECISION_WITHDRAWN, charges=(back,))
    assert "The budget that it used is available again." in flat(with_charges.text)
    assert "available again" not in flat(a_letter("agent", types.DECISION_WITHDRAWN).text)


def test_a_withdrawal_does_not_tell_agents_their_own_name() -> None:
    text = flat(a_letter("agent", types.DECISION_WITHDRAWN, decided_by="agent-01").text)
    assert "has been withdrawn. Nothing more is done" in text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "M. de Boer had already withdrawn this request, so your answer changed nothing."),
        ("nl", "M. de Boer had dit verzoek al ingetrokken, dus je antwoord heeft niets veranderd."),
    ],
)
def test_a_verdict_after_a_withdrawal_is_answered_with_who_withdrew(language: Any, words: str) -> None:
    case = a_case()
    approval = a_closed_approval(case, "lead-01", outcome="withdrawn")
    event = an_approval_event(types.APPROVAL_LATE, approval, giver="lead-02", reply_id="reply-9")
    pending = a_pending_notice(event, "giver", "lead-02")
    letter = WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get, "")
    assert words in flat(letter.text)


def test_an_approvers_own_verdict_is_confirmed_to_them() -> None:
    changes: dict[str, Any] = {"by": "person", "decided_by": "lead-02"}
    assert "Your decision has been recorded" in a_letter("approver", types.DECISION_APPROVED, **changes).text


def budget_exhausted(**figures: Any) -> Reason:
    """A budget has less left than is asked."""
    known = {
        "budget": "goodwill-day",
        "left": "5.00",
        "renews_at": "2026-03-02T23:00:00Z",
        "timezone": "Europe/Amsterdam",
    }
    return Reason(code="budget_exhausted", text="Full.", mandate="late-delivery", figures=known | figures)


def flat(text: str) -> str:
    """The text with its lines joined."""
    return re.sub(r"[ \n]+", " ", text)


class Tags(HTMLParser):
    """The tags and attributes of a page, and whether it is whole."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


ATTACKS = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "</td></table><img src=x onerror=alert(1)>",
            "{{ 7 * 7 }}{% raw %}",
            "{{ cycler.__init__.__globals__ }}",
            "a\r\nBcc: everybody@example.org\r\n\r\nbody",
            "\u202egnp.exe",
            "a\u2028b\u2029c\u0085d\x0be\x0cf",
            "=?utf-8?q?=0D=0ABcc:_x=40y?=",
            "Z̸̢͎̣͍̟̘̯͈͉͙̪̰͚̙̀a" * 40,
            "%s{0}{limit}",
            "&lt;b&gt;&#x202e;",
            "x" * 900,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
LINES = ATTACKS.map(lambda text: re.sub(r"[\x00-\x1f\x7f]", " ", text)[:300])
"""The texts that `Line` accepts."""
BAD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


@settings(max_examples=60, deadline=None)
@given(
    line=LINES, text=ATTACKS, letter=st.sampled_from(sorted(LETTERS)), language=st.sampled_from(["nl", "en"])
)
def test_whatever_people_write_stays_text(
    line: str, text: str, letter: tuple[str, str], language: Any
) -> None:
    audience, type_ = letter
    plain = a_letter(audience, type_, language, a_case(reason="x", claims={"k": "v"}, facts={"k": "v"}))
    case = a_case(
        subject=line,
        category=line[:200],
        reason=text,
        name=line,
        facts={line[:50]: text},
        claims={"k": [text]},
    )
    event = an_event(type_, case)
    attacked = WRITER.write(
        a_pending_notice(event, audience, PERSONS[audience]), event, case, line, language, STAFF.get, text
    )
    assert "\n" not in attacked.subject
    assert len(attacked.subject) <= 150
    for words in (attacked.subject, attacked.text, attacked.html):
        assert not BAD.search(words)
        assert len(words) < 60_000
    before, after = Tags(plain.html), Tags(attacked.html)
    assert set(after.tags) <= set(before.tags) | {"blockquote", "table", "tr", "td", "ul", "li"}
    assert after.attributes <= before.attributes | {"style", "role"}


def test_a_huge_case_makes_a_letter_of_bounded_size() -> None:
    facts = {f"fact_{number}": "x" * 5000 for number in range(500)}
    letter = a_letter("approver", types.APPROVAL_REQUESTED, "en", a_case(facts=facts, reason="y" * 8000))
    assert len(letter.text) < 30_000
    assert "…" in letter.text


@pytest.mark.parametrize(
    ("language", "words", "amounts"),
    [("nl", "deels toegekend", ("€ 30,00", "€ 45,00")), ("en", "partly approved", ("€30.00", "€45.00"))],
)
@pytest.mark.parametrize("audience", ["customer", "agent", "approver"])
def test_a_partial_grant_says_so_with_both_amounts_in_letter_and_subject(
    audience: str, language: str, words: str, amounts: tuple[str, str]
) -> None:
    changes: dict[str, Any] = {"by": "person", "decided_by": "lead-01", "amount": "30.00"}
    letter = a_letter(audience, types.DECISION_APPROVED, language, **changes)
    granted, requested = amounts
    for text in (letter.subject, letter.text, letter.html):
        said = flat(text.replace("\u00a0", " "))
        assert words in said.lower()
        assert granted in said
        assert requested in said
    whole = a_letter(audience, types.DECISION_APPROVED, language, **changes | {"amount": "45"})
    more = a_letter(audience, types.DECISION_APPROVED, language, **changes | {"amount": "50.00"})
    unasked = a_letter(
        audience,
        types.DECISION_APPROVED,
        language,
        a_case(amount=None, currency=None),
        amount="9.00",
        currency="EUR",
    )
    for letter in (whole, more, unasked):
        assert words not in (letter.subject + letter.text).lower()


@pytest.mark.parametrize("language", ["nl", "en"])
def test_approvers_read_that_their_own_verdict_granted_a_part(language: str) -> None:
    changes: dict[str, Any] = {"by": "person", "decided_by": "lead-02", "amount": "30.00"}
    text = flat(
        a_letter("approver", types.DECISION_APPROVED, language, **changes).text.replace("\u00a0", " ")
    )
    sentence = {
        "nl": "je hebt € 30,00 van de gevraagde € 45,00 toegekend.",
        "en": "you approved €30.00 of the requested €45.00.",
    }
    assert sentence[language] in text


def test_dutch_letters_and_reasons_use_the_same_words_for_granting_and_roles() -> None:
    templates = Path(str(files("services.notifier.letters"))) / "templates" / "nl"
    texts = [path.read_text("utf-8") for path in templates.iterdir()]
    for entry in CATALOGUE.values():
        texts += [one.nl for one in (*entry.letter.values(), entry.explain) if one is not None]
    assert not [text for text in texts if re.search("toe(ge)?zeg|functie", text)]


LABELS: dict[str, dict[str, str]] = {
    "cancel_order": {"nl": "de bestelling annuleren", "en": "call off the order"},
    "refund": {"nl": "geld terug"},
}


def with_labels(audience: str, kind: str, language: Any, labels: Any = LABELS) -> Letter:
    case = a_case(kind=kind)
    event = an_event(types.DECISION_APPROVED, case)
    pending = a_pending_notice(event, audience, PERSONS[audience])
    return WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get, style=TenantStyle(labels))


@pytest.mark.parametrize(
    ("kind", "language", "name"),
    [
        ("cancel_order", "nl", "de bestelling annuleren"),
        ("cancel_order", "en", "call off the order"),
        ("refund", "nl", "geld terug"),
        ("refund", "en", "refund"),
        ("loyalty_points", "en", "loyalty points"),
    ],
)
def test_a_letter_names_a_kind_by_the_label_of_the_policy_then_by_ours_then_by_its_id(
    kind: str, language: str, name: str
) -> None:
    letter = with_labels("agent", kind, language)
    assert f": {name}, " in letter.subject
    assert f": {name}\n" in letter.text
    assert f">{name}<" in letter.html


def test_a_label_is_text_and_not_html_or_a_template() -> None:
    labels = {"refund": {"en": "<img src=x> {{ 7 * 7 }}\u202e & co\r\nBcc: x@y"}}
    letter = with_labels("customer", "refund", "en", labels)
    assert "img" not in Tags(letter.html).tags
    assert "&lt;img src=x&gt; {{ 7 * 7 }} &amp; co Bcc: x@y" in letter.html
    assert "\n" not in with_labels("agent", "refund", "en", labels).subject
    assert not BAD.search(letter.text)


@pytest.mark.parametrize("type_", [type_ for audience, type_ in LETTERS if audience == "customer"])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_letter_to_a_customer_is_signed_by_the_tenant_and_shows_its_logo(type_: str, language: Any) -> None:
    case = a_case()
    event = an_event(type_, case)
    pending = a_pending_notice(event, "customer", "cu-1")
    style = TenantStyle(signature="Acme & Co <b>", logo="cid:logo@mandaat")
    letter = WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get, style=style)
    assert "\nAcme & Co <b>\n" in letter.text
    assert "<br>Acme &amp; Co &lt;b&gt;</p>" in letter.html
    assert '<img src="cid:logo@mandaat" alt="Acme &amp; Co &lt;b&gt;"' in letter.html
    usual = WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get)
    assert "<img" not in usual.html
    assert {"nl": "de klantenservice", "en": "customer service"}[language] in usual.text


def test_a_lead_reads_which_budget_is_nearly_used_up() -> None:
    dutch = a_letter("lead", types.DECISION_APPROVED, "nl")
    assert dutch.subject == "Budget “goodwill-day” is voor minstens 80% gebruikt: medewerker R. Visser"
    assert "is nu €\u00a0200,00 van de €\u00a0250,00 gebruikt" in flat(dutch.text)
    assert "Periode: 2026-03-02" in dutch.text
    counted = a_budget_warning(scope="team:north", window="2026-03-02", days=30, used=4, limit=5)
    english = a_letter("lead", types.DECISION_APPROVED, "en", warnings=(counted,))
    assert "4 of 5 of the budget “goodwill-day” (team north) is now used." in flat(english.text)
    assert "Period: a period of 30 days that includes 2026-03-02" in english.text


COVER = {"mandate": "lead", "limit": "150.00", "currency": "EUR", "grants": True}


def asked_of(language: Any, own: Any, case: Case | None = None, person: str = "lead-02") -> str:
    """The letter to an approver of whom the approval says this."""
    case = case or a_case()
    approval = an_approval(case, "lead-02", "lead-03", told=({"agent_id": "lead-02", **own},))
    event = an_approval_event(types.APPROVAL_REQUESTED, approval)
    pending = a_pending_notice(event, "approver", person)
    letter = WRITER.write(pending, event, case, "A. Bakker", language, STAFF.get)
    return flat(letter.text.replace("\u00a0", " "))


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("nl", "Je krijgt dit verzoek in plaats van M. de Boer, die afwezig is."),
        ("en", "You get this request in place of M. de Boer, who is absent."),
    ],
)
def test_a_stand_in_reads_for_whom_they_stand_in(language: str, sentence: str) -> None:
    assert sentence in asked_of(language, {"stands_in_for": "lead-01", "covers": COVER})
    assert sentence[:30] not in asked_of(language, {"covers": COVER})


@pytest.mark.parametrize(
    ("covers", "dutch", "english"),
    [
        (
            COVER,
            "Dit verzoek valt binnen jouw mandaat “lead”: daarmee mag je hiervoor tot € 150,00 toekennen.",
            "This request is within your mandate “lead”, which allows up to €150.00 for it.",
        ),
        (
            {"mandate": "lead", "grants": True},
            "Dit verzoek valt binnen jouw mandaat “lead”. Als je het goedkeurt",
            "This request is within your mandate “lead”. When you approve, the budget",
        ),
        (
            COVER | {"limit": "40.00", "grants": False},
            "Met jouw mandaat “lead” mag je voor dit verzoek tot € 40,00 toekennen. Het gevraagde bedrag",
            "Your mandate “lead” goes up to €40.00 for this request. The requested amount is higher.",
        ),
        (
            None,
            "Je hebt geen mandaat voor dit verzoek. Je kunt het wel afwijzen.",
            "None of your mandates covers this request. You can still reject it.",
        ),
    ],
)
def test_an_approver_reads_what_their_own_mandate_covers(covers: Any, dutch: str, english: str) -> None:
    assert dutch in asked_of("nl", {"covers": covers})
    assert english in asked_of("en", {"covers": covers})


def test_an_approver_of_a_request_without_an_amount_is_asked_for_one() -> None:
    case = a_case(amount=None, currency=None)
    covers = COVER | {"grants": False}
    assert "Vul zelf een bedrag in als je het goedkeurt" in asked_of("nl", {"covers": covers}, case)
    assert "Enter one when you approve" in asked_of("en", {"covers": covers}, case)


def test_an_approver_of_whom_nothing_is_known_reads_nothing_about_a_mandate() -> None:
    text = asked_of("en", {"stands_in_for": "lead-01", "covers": COVER}, person="lead-03")
    assert "mandate “lead”" not in text
    assert "in place of" not in text
    assert "None of your mandates" not in text
