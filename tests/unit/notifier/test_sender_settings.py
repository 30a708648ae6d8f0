"""The sender of mail, as an operator writes it in a setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.chassis.process.errors import ConfigurationError
from services.notifier.channels.mail.sender import Sender
from services.notifier.settings import NotifierSettings


def sender(mail_from: str, reply_to: str | None = None) -> Sender:
    return NotifierSettings(keys_file=Path("keys"), mail_from=mail_from, mail_reply_to=reply_to).sender


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("care@example.org", "", "care@example.org"),
        ("<care@example.org>", "", "care@example.org"),
        ("Mandaat <no-reply@example.org>", "Mandaat", "no-reply@example.org"),
        ('"Care Team, Billing" <care@example.org>', "Care Team, Billing", "care@example.org"),
        (r'"The \"Care\" Team" <care@example.org>', 'The "Care" Team', "care@example.org"),
        ("Zorg & Coö. (rekeningen) <care@example.org>", "Zorg & Coö. (rekeningen)", "care@example.org"),
        ("Straße <post@straße.example>", "Straße", "post@xn--strae-oqa.example"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(written: str, name: str, address: str) -> None:
    assert sender(written) == Sender(name, address)


@pytest.mark.parametrize("field", ["mail_from", "mail_reply_to"])
@pytest.mark.parametrize("name", ["Care Team, Billing", "Care: Billing", "Care [x]", "Care; x", 'The "C"'])
def test_a_name_with_special_characters_is_refused_with_the_quotes_that_it_needs(
    name: str, field: str
) -> None:
    written = f"{name} <care@example.org>"
    with pytest.raises(ConfigurationError) as refusal:
        NotifierSettings(**{"keys_file": Path("keys"), "mail_from": "a@example.org", field: written})  # type: ignore[arg-type] # one field of two
    quoted = name.replace('"', '\\"')
    assert f'put the name in double quotes: "{quoted}" <care@example.org>' in str(refusal.value)
    assert sender(f'"{quoted}" <care@example.org>').name == name, "the remedy is accepted"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "nobody",
        "Care <nobody>",
        "a@example.org, b@example.org",
        "C <a@x.org>, D <b@x.org>",
        "C <a@x.org> x",
    ],
)
def test_a_sender_without_one_address_is_refused(written: str) -> None:
    with pytest.raises(ConfigurationError, match="MANDAAT_MAIL_FROM"):
        sender(written)


def test_the_address_for_answers_has_its_domain_in_ascii_too() -> None:
    assert sender("a@example.org", "Hilfe <hilfe@faß.de>").reply_to == "hilfe@xn--fa-hia.de"
