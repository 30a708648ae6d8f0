"""`mandaat policy show`, `history` and `rollback` on a real topic."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.policy_record import PolicyRecord
from services.chassis.kafka.producer import Outgoing
from services.cli.app import build
from services.cli.publishing import activation, send_rounds

POLICY = """\
# written by an author
policy: {tenant}
version: "{version}"
currency: EUR
roles:
  {role}: {{}}
  team_lead: {{extends: {role}}}
mandates:
  - {{id: small, grants: refund, to: {role}, limit: {limit}}}
escalation:
  - {{id: default, steps: [{{to: team_lead}}]}}
"""


class Published:
    """Three versions of a tenant's policy, published one after the other."""

    def __init__(self, kafka: str, tenant: str, folder: Path) -> None:
        self._kafka, self._tenant, self._file = kafka, tenant, folder / "policy.yaml"
        self.texts = {
            "v1": POLICY.format(tenant=tenant, version="v1", role="clerk", limit=50),
            "v2": POLICY.format(tenant=tenant, version="v2", role="agent", limit=50),
            "v3": POLICY.format(tenant=tenant, version="v3", role="agent", limit=80),
        }
        self.digests = {version: self.publish(text) for version, text in self.texts.items()}

    def publish(self, text: str) -> str:
        self._file.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(
            build("publish"), ["publish", "policy", str(self._file), "--kafka", self._kafka]
        )
        assert done.exit_code == 0, done.output
        return str(json.loads(done.stdout)["digest"])

    def run(self, *words: str, tenant: str | None = None) -> Result:
        where = ["--tenant", tenant or self._tenant, "--kafka", self._kafka]
        return CliRunner().invoke(build("policy"), ["policy", *words, *where], env={"COLUMNS": "160"})

    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("history", "--json").stdout.splitlines()]


@pytest.fixture
def published(kafka: str, tenant: str, tmp_path: Path) -> Published:
    return Published(kafka, tenant, tmp_path)


def test_the_active_policy_is_shown_as_its_author_wrote_it(published: Published, tenant: str) -> None:
    done = published.run("show")
    first, second, text = done.stdout.split("\n", 2)
    assert first.startswith(f"# {tenant}, version v3, active, published 20")
    assert second == f"# digest {published.digests['v3']}"
    assert text == published.texts["v3"]
    assert published.publish(done.stdout) == published.digests["v3"]  # what is shown is a policy file
    former = published.run("show", "v1", "--json")
    shown = json.loads(former.stdout)
    assert (shown["yaml"], shown["active"]) == (published.texts["v1"], False)


def test_the_history_has_every_version_the_newest_first(published: Published) -> None:
    found = published.history()
    assert [(one["version"], one["active"]) for one in found] == [("v3", True), ("v2", False), ("v1", False)]
    assert {one["version"]: one["digest"] for one in found} == published.digests
    assert published.run("history").stdout.count("active") == 1


def test_a_rollback_makes_a_former_version_active_and_shows_what_changes(published: Published) -> None:
    tried = published.run("rollback", "v2", "--dry-run")
    assert tried.exit_code == 0
    assert published.history()[0]["version"] == "v3"
    done = published.run("rollback", "v2")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:-1] == tried.stdout.splitlines()[:-1]
    assert "-  - {id: small, grants: refund, to: agent, limit: 80}" in done.stdout
    assert "+  - {id: small, grants: refund, to: agent, limit: 50}" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["activated"] is True
    found = published.history()
    assert [(one["version"], one["active"]) for one in found] == [("v2", True), ("v3", False), ("v1", False)]
    again = published.run("rollback", published.digests["v2"][:8])
    assert (again.exit_code, again.stdout) == (1, "")
    assert "is active already; nothing to do" in again.stderr


def test_a_rollback_warns_of_roles_that_the_version_lacks(
    published: Published, kafka: str, tenant: str, tmp_path: Path
) -> None:
    person = {"agent_id": "a", "tenant": tenant, "name": "R. Visser", "role": "agent", "team": "north"}
    (tmp_path / "staff.json").write_text(json.dumps(person))
    publish = ["publish", "staff", str(tmp_path / "staff.json"), "--kafka", kafka]
    assert CliRunner().invoke(build("publish"), publish).exit_code == 0
    done = published.run("rollback", "v1", "--dry-run")
    assert done.exit_code == 0
    assert "this version has no role `agent`" in done.stderr


def test_a_removed_policy_can_be_brought_back(published: Published, kafka: str, tenant: str) -> None:
    asyncio.run(send_rounds(kafka, [[Outgoing("mandaat.policies", key=tenant.encode(), value=None)]]))
    shown = published.run("show")
    assert shown.exit_code == 1
    assert f"{tenant} has no active policy, only former versions" in shown.stderr
    assert not any(one["active"] for one in published.history())
    assert published.run("rollback", "v3").exit_code == 0
    assert published.history()[0]["active"] is True


def test_a_version_that_this_mandaat_cannot_use_is_not_activated(
    published: Published, kafka: str, tenant: str
) -> None:
    older = PolicyRecord(name=tenant, version="v0", digest="0" * 64, yaml="policy: x\n", canonical_json=None)
    asyncio.run(send_rounds(kafka, activation(older)[:1]))
    done = published.run("rollback", "v0")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "this Mandaat cannot use version v0" in done.stderr
    assert [one["version"] for one in published.history() if one["active"]] == ["v3"]


def test_two_contents_of_one_version_are_told_apart_by_digest(published: Published) -> None:
    other = published.publish(published.texts["v1"].replace("limit: 50", "limit: 55"))
    unclear = published.run("rollback", "v1")
    assert unclear.exit_code == 1
    assert f"name one by its digest: {published.digests['v1'][:12]}, {other[:12]}" in unclear.stderr
    assert published.run("rollback", published.digests["v1"][:12]).exit_code == 0
    assert published.history()[0]["digest"] == published.digests["v1"]


def test_an_unknown_version_or_tenant_gets_the_one_that_may_be_meant(
    published: Published, tenant: str
) -> None:
    assert "has no version v33; did you mean `v3`?" in published.run("rollback", "v33").stderr
    assert "; there are v1, v2, v3" in published.run("show", "2026-01-01").stderr
    unknown = published.run("history", tenant=f"{tenant}x")
    assert unknown.exit_code == 1
    assert unknown.stderr.endswith(f"was ever published; did you mean `{tenant}`?\n")
