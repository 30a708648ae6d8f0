"""The active policies and the staff, as their topics say (docs/ledger.md, The worker)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.policy.canonical import digest_of
from schemas.topics import POLICIES, STAFF
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics
from services.rules.worker.tables import Tables
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body
from tests.builders.inputs import a_reply, a_submission
from tests.builders.policies import a_mandate, a_policy, a_policy_record, book_of, canonical_of
from tests.builders.records import a_record
from tests.builders.staff import a_member


class Published:
    """The tables, and publishing to their topics."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bugs: list[BaseException] = []
        self.metrics = Metrics()
        self.tables = Tables(bootstrap="nowhere", metrics=self.metrics, on_bug=self.bugs.append)
        self.read_to_end: list[str] = []
        for name in ("_policies", "_members"):
            monkeypatch.setattr(getattr(self.tables, name), "read_to_end", self._reads(name))

    async def policy(self, key: str, value: bytes | None) -> None:
        """Publish a record to mandaat.policies."""
        record = a_record(value, topic=POLICIES, key=key.encode())
        await self.tables._policies._apply_all([record])

    async def activate(self, key: str = "acme", **changes: Any) -> None:
        """Publish a policy as the command line does."""
        await self.policy(key, as_bytes(a_policy_record(a_policy(a_mandate(), **changes))))

    async def publish_json(self, canonical_json: str, key: str = "acme") -> None:
        """Publish a record with any JSON, as another publisher may."""
        digest = digest_of(canonical_json)
        await self.policy(key, as_bytes(a_record_of(digest, canonical_json)))

    async def member(self, key: str, value: bytes | None) -> None:
        """Publish a record to mandaat.staff."""
        await self.tables._members._apply_all([a_record(value, topic=STAFF, key=key.encode())])

    async def hire(self, agent_id: str = "agent-01", **changes: Any) -> None:
        """Publish a staff member, or a change of one."""
        person = a_member(agent_id, **changes)
        await self.member(f"acme/{agent_id}", person.model_dump_json(by_alias=True).encode())

    def _reads(self, name: str) -> Any:
        async def read_to_end(_seconds: float = 10.0) -> None:
            self.read_to_end.append(name)

        return read_to_end


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    return Published(monkeypatch)


def a_record_of(digest: str, canonical_json: str | None) -> dict[str, Any]:
    record = {"name": "acme", "version": "1", "digest": digest, "yaml": "policy: acme"}
    return record if canonical_json is None else {**record, "canonical_json": canonical_json}


def version(published: Published) -> str | None:
    book = published.tables.book("acme")
    return None if book is None else book.version


async def test_the_newest_policy_is_the_active_one(published: Published) -> None:
    assert version(published) is None
    await published.activate(version="1")
    await published.activate(version="2")
    assert version(published) == "2"


async def test_the_versions_by_digest_activate_nothing(published: Published) -> None:
    await published.activate("acme/" + "d" * 64)
    assert version(published) is None


@pytest.mark.parametrize(
    "text",
    [
        *("{", '{"policy":"acme"}', "policy: acme", "[" * 100_000, "null"),
        *(a_policy(a_mandate(), policy="other"), a_policy(a_mandate(to="nobody"))),
    ],
)
async def test_a_policy_that_cannot_be_used_leaves_the_former_one_active(
    published: Published, text: str
) -> None:
    await published.activate(version="1")
    await published.publish_json(text)
    assert version(published) == "1"
    await published.activate(version="3")
    assert version(published) == "3"


@pytest.mark.parametrize("text", ["{", a_policy(a_mandate(), policy="other")])
async def test_cases_wait_if_the_first_policy_cannot_be_used(
    published: Published, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(published.tables._policies, "_read_once", True)
    monkeypatch.setattr(published.tables._members, "_read_once", True)
    tables = published.tables
    await published.publish_json("{", "other/" + "d" * 64)
    assert (tables.ready(), tables.held_back("acme")) == (None, None)
    await published.publish_json(text)
    why = tables.held_back("acme") or ""
    assert "the active policy cannot be used" in why
    assert tables.ready() == f"acme: {why}"
    await published.activate(version="2")
    assert (tables.ready(), tables.held_back("acme")) == (None, None)
    await published.publish_json(text)  # now there is an earlier policy
    assert (tables.ready(), tables.held_back("acme"), version(published)) == (None, None, "2")


async def test_a_policy_record_of_an_older_format_asks_to_be_published_again(published: Published) -> None:
    book = book_of(a_policy(a_mandate()))
    await published.policy("acme", as_bytes(a_record_of(book.digest, None)))
    assert "published by an older version, without JSON: publish it again" in str(
        published.tables.held_back("acme")
    )


async def test_a_policy_whose_digest_is_not_that_of_its_json_is_not_used(published: Published) -> None:
    await published.policy("acme", as_bytes(a_record_of("d" * 64, canonical_of(a_policy(a_mandate())))))
    assert "its digest is not that of its JSON" in str(published.tables.held_back("acme"))


async def test_a_policy_that_was_removed_holds_nothing_back(published: Published) -> None:
    await published.policy("acme", b"{")
    await published.policy("acme", None)
    assert published.tables.held_back("acme") is None


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"\xff", as_bytes({"name": "acme"})])
async def test_a_record_that_cannot_be_read_leaves_the_former_policy_active(
    published: Published, value: bytes
) -> None:
    await published.activate(version="1")
    await published.policy("acme", value)
    assert version(published) == "1"


async def test_a_null_removes_the_policy_also_after_one_that_could_not_be_used(published: Published) -> None:
    await published.activate(version="1")
    await published.policy("acme", b"{")
    await published.policy("acme", None)
    assert version(published) is None
    await published.policy("acme", None)


async def test_staff_can_be_added_changed_and_removed(published: Published) -> None:
    staff = published.tables.staff
    await published.hire("agent-01")
    await published.hire("agent-01", team="south")
    found = staff("acme").get("agent-01")
    assert found is not None
    assert found.team == "south"
    assert not staff("acme").with_roles(["agent"], "north")
    await published.member("acme/agent-01", None)
    assert staff("acme").get("agent-01") is None


@pytest.mark.parametrize(
    "value", [b"\x00", b"{}", b"null", b"", as_bytes({"agent_id": "agent-01", "tenant": "acme"})]
)
async def test_a_staff_record_that_cannot_be_read_leaves_the_former_one_and_its_neighbours(
    published: Published, value: bytes
) -> None:
    await published.hire("agent-01", team="south")
    await published.member("acme/agent-01", value)
    await published.hire("agent-02")
    for agent_id in ("agent-01", "agent-02"):
        assert published.tables.staff("acme").get(agent_id) is not None


@pytest.mark.parametrize("until", ["2026-03-02T00:00:00Z", "2026-03-01T23:59:59Z"])
async def test_an_absence_that_ends_before_it_starts_is_counted_and_skipped(
    published: Published, until: str
) -> None:
    wrong = a_member().model_dump(mode="json") | {
        "absences": [{"from": "2026-03-02T01:00:00+01:00", "until": until}]
    }
    await published.hire("agent-01", team="south")
    await published.member("acme/agent-01", as_bytes(wrong))
    former = published.tables.staff("acme").get("agent-01")
    assert former is not None
    assert (former.team, former.absences) == ("south", ())
    skipped = 'mandaat_rows_skipped_total{reason="invalid",topic="mandaat.staff"} 1.0'
    assert skipped in published.metrics.exposition().decode()


async def test_a_policy_that_cannot_be_used_is_counted(published: Published) -> None:
    await published.policy("acme", b"{")
    await published.publish_json("{")
    text = published.metrics.exposition().decode()
    for reason in ("not_json", "policy_not_used"):
        assert f'mandaat_rows_skipped_total{{reason="{reason}",topic="mandaat.policies"}} 1.0' in text


@pytest.mark.parametrize("key", ["", "nobody", "acme"])
@pytest.mark.parametrize("value", [b"\x00", b"{}", b"null", b""])
async def test_a_record_that_is_no_policy_holds_no_worker_back(
    published: Published, monkeypatch: pytest.MonkeyPatch, key: str, value: bytes
) -> None:
    monkeypatch.setattr(published.tables._policies, "_read_once", True)
    monkeypatch.setattr(published.tables._members, "_read_once", True)
    await published.policy(key, value)
    assert (published.tables.ready(), published.tables.held_back(key)) == (None, None)


async def test_a_staff_record_under_another_key_is_ignored(published: Published) -> None:
    await published.member("acme/agent-02", a_member("agent-01").model_dump_json().encode())
    await published.member("other/agent-01", a_member("agent-01").model_dump_json().encode())
    assert published.tables.staff("acme").get("agent-01") is None
    assert published.tables.staff("acme").get("agent-02") is None


async def test_tenants_do_not_share_staff(published: Published) -> None:
    await published.hire("agent-01")
    assert published.tables.staff("other").get("agent-01") is None


async def test_the_topics_are_read_again_only_for_unknown_tenants_and_people(published: Published) -> None:
    await published.activate()
    await published.hire("agent-01")
    await published.tables.refresh([a_submission()])
    assert published.read_to_end == []
    await published.tables.refresh([a_submission(), a_reply()])  # lead-north is new
    assert sorted(published.read_to_end) == ["_members", "_policies"]


async def test_several_unknown_people_in_one_batch_cause_one_read(published: Published) -> None:
    await published.tables.refresh([a_submission(a_case_body(f"c-{n}")) for n in range(20)])
    assert len(published.read_to_end) == 2


async def test_topics_that_cannot_be_read_raise_try_again(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_seconds: float = 10.0) -> None:
        raise TryAgain("kafka is away")

    monkeypatch.setattr(published.tables._members, "read_to_end", away)
    with pytest.raises(TryAgain):
        await published.tables.refresh([a_submission()])
