"""`mandaat keys` makes keys that the services accept, and never shows or loses one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.chassis.http.keys import Keys
from services.chassis.http.problems import HttpProblem
from services.chassis.process import watched_file
from services.cli.app import build


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(build("keys"), ["keys", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def add(file: Path, *more: str) -> str:
    done = keys("add", "--file", str(file), "--tenant", "acme", "--scope", "submit", *more)
    assert done.exit_code == 0, done.output
    return str(done.stdout).strip()


def ids(file: Path) -> list[str]:
    return [json.loads(line)["sha256"][:12] for line in file.read_text().splitlines() if line.startswith("{")]


def test_an_added_key_is_accepted_and_stands_nowhere_in_the_file(file: Path) -> None:
    secret = add(file, "--agent", "bot-01", "--no-facts", "--strict", "--expires", "2099-12-31")
    caller = Keys.load(file).check(f"Bearer {secret}", "submit")
    assert caller.agents == frozenset({"bot-01"})
    assert (caller.tenant, caller.facts, caller.strict) == ("acme", False, True)
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_list_names_each_key_by_its_id_and_shows_no_digest(file: Path) -> None:
    secret = add(file, "--expires", "2099-12-31")
    listed = keys("list", "--file", str(file)).stdout
    digest = json.loads(file.read_text())["sha256"]
    assert all(text in listed for text in (digest[:12], "acme", "submit", "2100-01-01T00:00:00Z"))
    assert digest not in listed
    assert secret not in listed


def test_a_revoked_key_is_refused_without_a_restart(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_file, "LOOK_AGAIN_SECONDS", 0.0)
    first, second = add(file), add(file)
    known = Keys.load(file)
    assert keys("revoke", "--file", str(file), ids(file)[0]).exit_code == 0
    with pytest.raises(HttpProblem):
        known.check(f"Bearer {first}", "submit")
    assert known.check(f"Bearer {second}", "submit").tenant == "acme"
    third = add(file)
    assert known.check(f"Bearer {third}", "submit").tenant == "acme"


def test_comments_and_empty_lines_stay(file: Path) -> None:
    file.write_text("# the shop\n\n")
    add(file)
    add(file)
    keys("revoke", "--file", str(file), ids(file)[1])
    assert file.read_text().splitlines()[:2] == ["# the shop", ""]
    assert len(ids(file)) == 1


def test_keys_added_at_the_same_time_are_all_kept(file: Path) -> None:
    from services.cli.replacing import locked, replace

    def append(number: int) -> None:
        with locked(file):
            replace(file, (file.read_text() if file.exists() else "") + f"{number}\n")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))
    assert sorted(map(int, file.read_text().split())) == list(range(40))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scope", "admin"), "--scope"),
        (("--expires", "soon"), "--expires"),
        (("--expires", "2020-01-01"), "in the past"),
        (("--agent", "bot-01", "--scope", "reply"), "cannot answer approvals"),
        (("--agent", " bot"), "--agent"),
    ],
)
def test_a_key_that_could_not_work_is_refused_before_it_is_made(
    file: Path, options: tuple[str, ...], said: str
) -> None:
    done = keys("add", "--file", str(file), "--tenant", "acme", "--scope", "submit", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not file.exists()


@pytest.mark.parametrize(("key_id", "code"), [("abc", 2), ("0123456789ab", 1)])
def test_revoking_needs_the_id_of_a_key(file: Path, key_id: str, code: int) -> None:
    add(file)
    before = file.read_text()
    assert keys("revoke", "--file", str(file), key_id).exit_code == code
    assert file.read_text() == before


def test_a_file_with_a_mistake_stays_as_it_is(file: Path) -> None:
    file.write_text("{broken\n")
    for command in (("add", "--tenant", "acme", "--scope", "read"), ("revoke", "0123456789ab"), ("list",)):
        done = keys(command[0], "--file", str(file), *command[1:])
        assert done.exit_code == 1
        assert "line 1" in done.stderr
    assert file.read_text() == "{broken\n"
