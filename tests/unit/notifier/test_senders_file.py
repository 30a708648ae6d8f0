"""The file of the tenants' own senders of mail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.chassis.process import watched_file
from services.chassis.process.errors import ConfigurationError
from services.notifier.channels.mail.sender import (
    MOST_LOGO_BYTES,
    Logo,
    Sender,
    read_senders,
    watch_senders,
)

DEFAULT = Sender("Mandaat", "no-reply@mandaat.example", "help@mandaat.example")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
JPEG = b"\xff\xd8\xff\xe0" + bytes(50)


def a_line(**entry: Any) -> str:
    return json.dumps({"tenant": "acme", **entry})


def sender(folder: Path, **entry: Any) -> Sender:
    return read_senders(a_line(**entry), default=DEFAULT, folder=folder)["acme"]


def test_a_tenant_has_its_own_address_and_name(tmp_path: Path) -> None:
    own = sender(tmp_path, **{"from": "Zorg <zorg@faß.de>", "name": "Acme, Klantenservice"})
    assert own == Sender(
        "Acme, Klantenservice",
        "zorg@xn--fa-hia.de",
        "help@mandaat.example",
        signature="Acme, Klantenservice",
    )


def test_a_tenant_keeps_of_the_usual_sender_what_it_does_not_set(tmp_path: Path) -> None:
    assert sender(tmp_path) == DEFAULT
    named = sender(tmp_path, name="Acme")
    assert (named.name, named.address) == ("Acme", "no-reply@mandaat.example")
    assert sender(tmp_path, **{"from": "zorg@acme.example"}).name == "Mandaat"
    assert sender(tmp_path, **{"from": "Zorg <zorg@acme.example>"}).name == "Zorg"


@pytest.mark.parametrize(("content", "subtype"), [(PNG, "png"), (JPEG, "jpeg")])
def test_a_logo_is_read_from_beside_the_file(tmp_path: Path, content: bytes, subtype: Any) -> None:
    (tmp_path / "logo").write_bytes(content)
    assert sender(tmp_path, logo="logo").logo == Logo(content, subtype)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "the line"),
        (a_line(tenant="Not A Tenant"), "tenant"),
        (a_line(colour="red"), "colour"),
        (a_line(name=""), "name"),
        (a_line(name="a\nb"), "name"),
        (a_line(name="x" * 101), "name"),
        (a_line(**{"from": "Care, Billing <a@example.org>"}), "from: put the name in double quotes"),
        (a_line(**{"from": "nobody"}), "from: expected one mail address"),
        (a_line(logo="none.png"), "logo: .*none.png: No such file"),
        (a_line(logo="large.png"), "logo: .*large.png is larger than 100 kB"),
        (a_line(logo="page.svg"), "logo: .*page.svg is neither a PNG nor a JPEG"),
        (a_line(logo="."), "logo: .*Is a directory"),
        (a_line(tenant="other"), "tenant other has a sender already"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "large.png").write_bytes(PNG + bytes(MOST_LOGO_BYTES))
    (tmp_path / "page.svg").write_text("<svg/>")
    path = tmp_path / "senders.jsonl"
    path.write_text(a_line(tenant="other") + "\n\n" + line)
    with pytest.raises(
        ConfigurationError, match=rf"MANDAAT_SENDERS_FILE .*senders\.jsonl: line 3: {problem}"
    ):
        watch_senders(path, DEFAULT)


def test_senders_are_read_again_and_message_ids_keep_their_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "LOOK_AGAIN_SECONDS", 0.0)
    path = tmp_path / "senders.jsonl"
    path.write_text("")
    senders = watch_senders(path, DEFAULT)
    assert senders.of("acme") == DEFAULT
    path.write_text(a_line(**{"from": "zorg@acme.example"}))
    assert senders.of("acme").address == "zorg@acme.example"
    assert senders.of("other") == senders.default == DEFAULT
