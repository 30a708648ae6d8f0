from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.chassis.http.keys import Caller, Keys, Scope, digest_of
from services.chassis.http.keys_file import read_keys
from services.chassis.http.problems import HttpProblem
from services.chassis.process import watched_file
from services.chassis.process.errors import ConfigurationError


def a_line(key: str = "sesame", tenant: str = "acme", scopes: tuple[str, ...] = ("submit",)) -> str:
    return json.dumps({"sha256": digest_of(key), "tenant": tenant, "scopes": list(scopes)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    path.write_text(a_line() + "\n\n" + a_line("other", "globex", ("read", "reply")) + "\n")
    path.chmod(0o600)
    return path


def refusal(store: Keys, header: str | None, scope: Scope = "submit") -> HttpProblem:
    with pytest.raises(HttpProblem) as caught:
        store.check(header, scope)
    return caught.value


def test_a_key_gives_its_tenant_and_scopes(file: Path) -> None:
    assert Keys.load(file).check("Bearer sesame", "submit") == Caller("acme", frozenset({"submit"}))
    assert Keys.load(file).check("bearer  other", "reply").tenant == "globex"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic sesame", "sesame"])
def test_without_a_known_key_the_response_is_401_and_explains_itself(file: Path, header: str | None) -> None:
    problem = refusal(Keys.load(file), header)
    assert problem.status_code == 401
    assert (problem.headers or {})["WWW-Authenticate"].startswith("Bearer")


def test_a_key_without_the_scope_is_403(file: Path) -> None:
    problem = refusal(Keys.load(file), "Bearer sesame", "read")
    assert problem.status_code == 403
    assert "read" in str(problem.detail)


def test_the_digest_itself_is_no_key(file: Path) -> None:
    assert refusal(Keys.load(file), f"Bearer {digest_of('sesame')}").status_code == 401


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2"),
        (a_line().replace("acme", "Acme Corp"), "tenant"),
        (json.dumps({"sha256": "abc", "tenant": "acme", "scopes": ["read"]}), "sha256"),
        (json.dumps({"sha256": "0" * 64, "tenant": "acme", "scopes": ["admin"]}), "scopes.0"),
        (json.dumps({"sha256": "0" * 64, "tenant": "acme", "scopes": []}), "scopes"),
        (a_line(), "twice"),
        (json.dumps({"sha256": "0" * 64, "scopes": ["read"]}), "tenant"),
    ],
)
def test_a_bad_line_is_named_with_its_number(file: Path, line: str, said: str) -> None:
    file.write_text(a_line() + "\n" + line + "\n")
    with pytest.raises(ConfigurationError, match="line 2") as caught:
        Keys.load(file)
    assert said in str(caught.value)


def test_the_message_about_a_bad_line_does_not_quote_it(file: Path) -> None:
    file.write_text('{"sha256": "top-secret-key", "tenant": "acme", "scopes": ["read"]}\n')
    with pytest.raises(ConfigurationError) as caught:
        Keys.load(file)
    assert "top-secret-key" not in str(caught.value)


def test_a_file_that_others_can_write_is_refused(file: Path) -> None:
    file.chmod(0o622)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keys.load(file)


def test_a_missing_or_empty_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        Keys.load(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="has no keys"):
        Keys.load(tmp_path / "empty.jsonl")


def test_a_changed_file_is_read_again_and_a_broken_one_is_ignored(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "LOOK_AGAIN_SECONDS", 0.0)
    store = Keys.load(file)
    file.write_text(a_line("new") + "\n")
    os.utime(file, ns=(1, 1))
    assert store.check("Bearer new", "submit").tenant == "acme"
    assert refusal(store, "Bearer sesame").status_code == 401
    file.write_text("{broken\n")
    assert store.check("Bearer new", "submit").tenant == "acme"


@pytest.mark.parametrize("gone", [lambda file: file.write_text(""), Path.unlink], ids=["emptied", "removed"])
def test_removing_the_last_key_leaves_none(
    file: Path, gone: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "LOOK_AGAIN_SECONDS", 0)
    store = Keys.load(file)
    assert store.ready() is None
    gone(file)
    assert store.ready() == "no key is known"
    assert refusal(store, "Bearer sesame").status_code == 401
    file.write_text(a_line())
    file.chmod(0o600)
    assert store.check("Bearer sesame", "submit").tenant == "acme"
    assert store.ready() is None


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def one_key(tmp_path: Path, **more: object) -> Keys:
    """The keys of a file with one key, at NOW."""
    path = tmp_path / "one.jsonl"
    path.write_text(
        "# the chat bot\n"
        + json.dumps({"sha256": digest_of("bot"), "tenant": "acme", "scopes": ["submit", "reply"]} | more)
    )
    path.chmod(0o600)
    return Keys.load(path, lambda: NOW)


def test_a_caller_carries_what_its_key_is_limited_to(tmp_path: Path) -> None:
    limits = {"agents": ["bot-01"], "facts": False, "expires": "2026-04-01T00:00:00+02:00", "strict": True}
    caller = one_key(tmp_path, **limits).check("Bearer bot", "submit")
    assert caller.agents == frozenset({"bot-01"})
    assert (caller.facts, caller.strict) == (False, True)
    assert caller.expires == datetime(2026, 3, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("expires", ["2026-03-02T12:00:00Z", "2026-03-02T13:00:00+01:00", "2026-03-01"])
def test_an_expired_key_is_401_and_the_answer_says_that_it_expired(tmp_path: Path, expires: str) -> None:
    problem = refusal(one_key(tmp_path, expires=expires), "Bearer bot")
    assert problem.status_code == 401
    assert "expired at 2026-03-02T" in str(problem.detail)
    assert "Z. Ask" in str(problem.detail), "as every time is written"
    assert 'error="invalid_token"' in (problem.headers or {})["WWW-Authenticate"]


@pytest.mark.parametrize("expires", ["2026-03-02T12:00:01Z", "2026-03-02", None])
def test_a_key_is_valid_until_its_expiry_and_on_the_whole_day_of_a_date(
    tmp_path: Path, expires: str | None
) -> None:
    assert one_key(tmp_path, expires=expires).check("Bearer bot", "submit").tenant == "acme"


@pytest.mark.parametrize(
    "expires", ["soon", "2026-03-02T12:00:00", "2026-02-30", 1_800_000_000, "9999-12-31"]
)
def test_an_expiry_without_a_zone_or_that_is_no_time_is_refused(tmp_path: Path, expires: object) -> None:
    with pytest.raises(ConfigurationError, match="line 2: expires: must be a date"):
        one_key(tmp_path, expires=expires)


def test_a_key_with_agents_never_replies(tmp_path: Path) -> None:
    problem = refusal(one_key(tmp_path, agents=["bot-01"]), "Bearer bot", "reply")
    assert problem.status_code == 403
    assert "cannot answer approvals" in str(problem.detail)


@pytest.mark.parametrize(
    ("field", "value"), [("agents", []), ("agents", [" bot"]), ("facts", "no"), ("x", 1)]
)
def test_a_limit_that_cannot_be_read_is_refused_and_never_ignored(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(ConfigurationError, match=f"line 2: {field}"):
        one_key(tmp_path, **{field: value})


@pytest.mark.parametrize(
    ("expires", "event"),
    [("2026-03-10", "key_expires_soon"), ("2026-03-01", "key_expired"), ("2026-06-01", "")],
)
def test_the_log_warns_before_a_key_expires_once_a_day(tmp_path: Path, expires: str, event: str) -> None:
    with capture_logs() as lines:
        one_key(tmp_path, expires=expires).ready()
    assert [line["event"] for line in lines] == ([event] if event else [])
    assert all(line["key_id"] == digest_of("bot")[:12] for line in lines)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"tenant": "acme", "scopes": ["read"]}', "line 1: sha256: is missing"),
        ('{"sha256": 7, "tenant": "acme", "scopes": ["read"]}', "line 1: sha256: must be text in quotes"),
        ("sha256", "line 1: the line is not JSON at column 1: "),
    ],
)
def test_a_mistake_in_the_keys_file_is_said_in_our_words(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refusal:
        read_keys(line)
    assert not re.search("Field required|Input should|Invalid JSON|valid string", str(refusal.value))
