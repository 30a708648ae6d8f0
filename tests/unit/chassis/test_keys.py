from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.http import keys
from services.chassis.http.keys import Caller, Keys, digest_of
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import ConfigurationError


def a_line(key: str = "sesame", tenant: str = "acme", scopes: tuple[str, ...] = ("submit",)) -> str:
    return json.dumps({"sha256": digest_of(key), "tenant": tenant, "scopes": list(scopes)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    path.write_text(a_line() + "\n\n" + a_line("other", "globex", ("read", "reply")) + "\n")
    path.chmod(0o600)
    return path


def refusal(store: Keys, header: str | None, scope: keys.Scope = "submit") -> HttpProblem:
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
    with pytest.raises(ConfigurationError, match="does not exist"):
        Keys.load(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="has no keys"):
        Keys.load(tmp_path / "empty.jsonl")


def test_a_changed_file_is_read_again_and_a_broken_one_is_ignored(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_AGAIN_SECONDS", 0.0)
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
    monkeypatch.setattr(keys, "LOOK_AGAIN_SECONDS", 0)
    store = Keys.load(file)
    assert store.ready() is None
    gone(file)
    assert store.ready() == "no key is known"
    assert refusal(store, "Bearer sesame").status_code == 401
    file.write_text(a_line())
    file.chmod(0o600)
    assert store.check("Bearer sesame", "submit").tenant == "acme"
    assert store.ready() is None
