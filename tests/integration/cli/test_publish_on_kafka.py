"""`mandaat publish` on a real topic."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from typer.testing import CliRunner

from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.staff import StaffMember
from services.cli.kafka import read_to_the_end
from services.cli.publish import publish_app
from tests.builders.policies import canonical_of

POLICY = """\
policy: {tenant}
version: "2026-03-01"
currency: EUR
roles:
  agent: {{}}
  team_lead: {{extends: agent}}
mandates:
  - {{id: small, grants: refund, to: agent, limit: 50}}  # r\u00e9gulier
escalation:
  - {{id: default, steps: [{{to: team_lead}}]}}
"""


def values(kafka: str, topic: str, tenant: str) -> dict[str, bytes]:
    async def all_of_them() -> dict[str, bytes]:
        return {
            record.key.decode(): record.value
            async for record in read_to_the_end(kafka, topic)
            if record.key is not None and record.value is not None and record.key.decode().startswith(tenant)
        }

    return asyncio.run(all_of_them())


def test_a_policy_becomes_the_active_one_and_a_version(kafka: str, tenant: str, tmp_path: Path) -> None:
    text = POLICY.format(tenant=tenant)
    file = tmp_path / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    outcome = CliRunner().invoke(publish_app, ["policy", str(file), "--kafka", kafka])
    assert outcome.exit_code == 0, outcome.output
    digest = json.loads(outcome.stdout)["digest"]
    found = values(kafka, "mandaat.policies", tenant)
    assert sorted(found) == [tenant, f"{tenant}/{digest}"]
    canonical = canonical_of(text)
    assert hashlib.sha256(canonical.encode()).hexdigest() == digest
    expected = PolicyRecord(
        name=tenant, version="2026-03-01", digest=digest, yaml=text, canonical_json=canonical
    )
    assert [read(PolicyRecord, value) for value in found.values()] == [expected, expected]


def test_staff_stand_under_their_tenant_and_id(kafka: str, tenant: str, tmp_path: Path) -> None:
    people = [
        {
            "agent_id": f"agent-{number}",
            "tenant": tenant,
            "name": "R. Visser",
            "role": "agent",
            "team": "north",
            "absences": [
                {"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z", "delegate": "lead-02"}
            ],
        }
        for number in range(2_500)
    ]
    file = tmp_path / "staff.jsonl"
    file.write_text("".join(json.dumps(person) + "\n" for person in people))
    outcome = CliRunner().invoke(publish_app, ["staff", str(file), "--kafka", kafka])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout) == {"published": 2_500, "tenants": [tenant]}
    found = values(kafka, "mandaat.staff", tenant)
    assert len(found) == 2_500
    kept = read(StaffMember, found[f"{tenant}/agent-7"])
    assert kept == read(StaffMember, json.dumps(people[7]).encode())
    assert kept.absences[0].delegate == "lead-02"


def test_staff_are_compared_with_the_active_policy(kafka: str, tenant: str, tmp_path: Path) -> None:
    policy, staff = tmp_path / "policy.yaml", tmp_path / "staff.jsonl"
    policy.write_text(POLICY.format(tenant=tenant), encoding="utf-8")
    person = {"agent_id": "a", "tenant": tenant, "name": "R. Visser", "role": "agnet", "team": "north"}
    staff.write_text(json.dumps(person))
    publish = ["staff", str(staff), "--kafka", kafka]
    before = CliRunner().invoke(publish_app, publish)
    assert before.exit_code == 0
    assert before.stderr == f"{staff}: no policy of {tenant} is active; roles are not checked\n"
    assert CliRunner().invoke(publish_app, ["policy", str(policy), "--kafka", kafka]).exit_code == 0
    after = CliRunner().invoke(publish_app, publish)
    assert (after.exit_code, after.stdout) == (1, "")
    assert after.stderr.startswith(f"{staff}:1:")
    assert after.stderr.endswith("has no role `agnet`; did you mean `agent`?\n")
    staff.write_text(json.dumps({**person, "role": "agent"}))
    assert CliRunner().invoke(publish_app, publish).exit_code == 0


def test_publishing_other_content_under_a_known_version_gives_a_warning(
    kafka: str, tenant: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"

    def publish(text: str) -> tuple[str, str]:
        """The digest, and the warning about the version."""
        file.write_text(text, encoding="utf-8")
        outcome = CliRunner().invoke(publish_app, ["policy", str(file), "--kafka", kafka])
        assert outcome.exit_code == 0, outcome.output
        warned = [line for line in outcome.stderr.splitlines() if "warning: version" in line]
        return json.loads(outcome.stdout)["digest"], "\n".join(warned)

    text = POLICY.format(tenant=tenant)
    first, warned = publish(text)
    assert warned == ""
    assert publish(text) == (first, "")
    assert publish(text + "# a comment is no other content\n") == (first, "")
    other, warned = publish(text.replace("limit: 50", "limit: 60"))
    assert warned == (
        f"{file}: warning: version '2026-03-01' of {tenant} was already published with other content "
        f"(digest {first[:12]}); give each content its own version"
    )
    active = read(PolicyRecord, values(kafka, "mandaat.policies", tenant)[tenant])
    assert active.digest == other
    assert publish(text.replace("2026-03-01", "2026-03-02").replace("limit: 50", "limit: 70"))[1] == ""
