"""docs/notices.md describes what the notifier does."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from schemas import types
from schemas.language import amount_text
from schemas.reasons import CATALOGUE
from services.notifier.app import letter_writer
from services.notifier.channels.mail.sender import Sender, read_senders
from services.notifier.channels.webhook.hooks_file import read_hooks
from services.notifier.letters.letter_writer import LETTERS
from services.notifier.letters.words import Words
from services.notifier.outbox import case_file
from services.notifier.outbox.case_view import view_of
from services.notifier.planning import recipients
from services.notifier.planning.event_kinds import EVENT_KINDS
from services.notifier.planning.notice import ended
from services.notifier.planning.plan import recipients_of
from services.notifier.routes import CaseView
from services.notifier.settings import NotifierSettings
from tests.builders.approvals import a_closed_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_budget_warning, a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.notices import a_pending_notice

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "notices.md").read_text()
TOLD = [type_ for type_, kind in EVENT_KINDS.items() if kind.parties is not recipients.nobody]
TEMPLATES = ROOT / "services" / "notifier" / "letters" / "templates"


def block(name: str) -> str:
    """The code block of that name."""
    (found,) = re.findall(rf"(?ms)^```\w+ {name}\n(.*?)^```", PAGE)
    return str(found)


def row(type_: str) -> list[str]:
    """The cells of an event in the table of who is told."""
    (found,) = re.findall(rf"(?m)^\| `{re.escape(type_)}` \|(.*)\|$", PAGE)
    return [cell.strip() for cell in str(found).split("|")]


@pytest.mark.parametrize("type_", TOLD)
def test_the_table_of_who_is_told_is_right(type_: str) -> None:
    case = a_case()
    outcomes = {name: outcome for outcome, name in types.DECISION_TYPES.items()}
    event: Any
    if type_ in outcomes:
        warnings = (a_budget_warning(),) if type_ == types.DECISION_APPROVED else None
        event = a_decision_event(a_decision(case, outcomes[type_], warnings=warnings))
    else:
        event = an_approval_event(type_, a_closed_approval(case, "lead-01"), giver="lead-01", reply_id="r")
    told = {one.audience for one in recipients_of(event, ("lead-01",), ("mail", "webhook"))}
    columns = ("customer", "agent", "approver", "giver", "lead", "webhook")
    assert told == {name for name, cell in zip(columns, row(type_), strict=True) if cell}


def test_every_event_in_the_table_is_one_that_is_told() -> None:
    assert set(re.findall(r"(?m)^\| `(mandaat\.[a-z_.]+\.v1)` \|", PAGE)) == set(TOLD)


def test_the_example_that_checks_a_signature_accepts_ours_and_no_other() -> None:
    names: dict[str, Any] = {}
    exec(block("verify"), names)  # noqa: S102 - the example itself is what is tested
    secret = read_hooks(block("webhooks"))["acme"].secret.get_secret_value()
    now, body = datetime.now(UTC), '{"é": 1}'
    headers = {
        "webhook-id": "n-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("n-1", now, body),
    }
    verify = names["verify"]
    assert verify(secret, headers, body.encode())
    assert not verify(secret, headers, b'{"e": 1}')
    assert not verify(secret, headers | {"webhook-id": "n-2"}, body.encode())
    assert not verify(secret, headers | {"webhook-timestamp": "1000000000"}, body.encode())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v1,\udce9"),
        ("webhook-signature", ""),
        ("webhook-id", "é\udce9"),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "NaN"),
        ("webhook-timestamp", "1" * 5_000),
        ("webhook-timestamp", "١٧٧٢٤٣٨٤٠٠"),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", ""),
    ],
)
def test_the_example_that_checks_a_signature_answers_no_to_headers_that_we_never_send(
    name: str, text: str
) -> None:
    verify, secret, headers = a_signed_post()
    assert not verify(secret, headers | {name: text}, b"{}")
    assert verify(secret, headers, b"{}")


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_the_example_that_checks_a_signature_answers_no_without_a_header(name: str) -> None:
    verify, secret, headers = a_signed_post()
    del headers[name]
    assert not verify(secret, headers, b"{}")


def a_signed_post() -> tuple[Any, str, dict[str, str]]:
    """The example's function, a secret, and the headers of a post with the body `{}`."""
    names: dict[str, Any] = {}
    exec(block("verify"), names)  # noqa: S102 - the example itself is what is tested
    secret, now = "whsec_" + "bWFuZGFhdC1tYW5kYWF0", datetime.now(UTC)
    headers = {
        "webhook-id": "n-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("n-1", now, "{}"),
    }
    return names["verify"], secret, headers


def test_the_example_of_where_a_case_stands_has_the_shape_of_the_answer() -> None:
    case, event = a_case(), a_decision_event(a_decision(a_case()))
    new, _ = case_file.of_event(event, event.to_bytes())
    notice = ended(a_pending_notice(event), "delivered", datetime.now(UTC), message_id="<x@y>")
    fields = dict((*case_file.of_case(case), *new, ("n:1", case_file.notice_line(notice))))
    answer = view_of({name.encode(): value for name, value in fields.items()})
    assert answer is not None
    holds(answer, json.loads(block("case")))
    CaseView.model_validate_json(json.dumps(answer))


def holds(answer: Any, example: Any) -> None:
    """The answer has every key of the example."""
    if isinstance(example, dict):
        assert example.keys() <= answer.keys()
        for key, value in example.items():
            holds(answer[key], value)
    elif isinstance(example, list):
        for one in example:
            holds(answer[0], one)


def test_the_sender_in_the_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "acme.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    default = Sender("Mandaat", "no-reply@example.org")
    sender = read_senders(block("senders"), default=default, folder=tmp_path)["acme"]
    assert sender.signature == sender.name == "Acme Customer Care"
    assert sender.logo is not None


def test_the_page_names_settings_that_exist_with_their_defaults() -> None:
    fields = NotifierSettings.model_fields
    named = {name.lower() for name in re.findall(r"MANDAAT_([A-Z_]+[A-Z])\b(?!_)", PAGE)}
    assert {name for name in named if name not in ("smtp", "mail")} <= fields.keys()
    assert fields["language"].default == "nl"
    assert fields["mail_from"].is_required()


def test_the_page_shows_amounts_as_letters_write_them() -> None:
    shown = PAGE.replace("\u00a0", " ")
    assert amount_text("1285.12", "EUR", "nl").replace("\u00a0", " ") in shown
    assert amount_text("1285.12", "EUR", "en") in shown


def test_the_page_lists_the_reasons_of_failure_that_are_in_the_code() -> None:
    sources = [path.read_text() for path in (ROOT / "services" / "notifier").rglob("*.py")]
    listed = {
        re.split(r"[:\s]", name)[0]
        for name in re.findall(r"(?m)^\| `([a-z_]+(?:: [^`]*)?)` \|", PAGE)
        if not name.startswith("webhook-")
    }
    written = {
        reason
        for source in sources
        for reason in re.findall(r'(?:Permanent|reason = )\(?f?"([a-z_]+)', source)
    } | {"gave_up"}
    assert listed == written


def test_every_reason_has_a_sentence_or_is_told_in_the_letter_itself() -> None:
    without = {code for code, entry in CATALOGUE.items() if "" not in entry.letter}
    assert without == {"withdrawn"}


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_letter_and_no_other_is_a_file_in_each_language(language: str) -> None:
    assert {path.stem for path in (TEMPLATES / language).iterdir()} == set(LETTERS.values())
    assert letter_writer() is not None


def test_words_are_there_in_both_languages_with_the_same_figures() -> None:
    words = Words.parse((TEMPLATES / "words.json").read_text())
    for entries in (words.kinds, words.signs):
        for name, entry in entries.items():
            assert set(entry) == {"nl", "en"}, name
            assert len({frozenset(re.findall(r"\{(\w+)\}", text)) for text in entry.values()}) == 1, name
