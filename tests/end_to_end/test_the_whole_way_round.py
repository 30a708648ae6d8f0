"""From a case to its notices, and from a verdict to its notices, through all services on the real stack."""

from __future__ import annotations

import email
import email.policy
import json
from email.message import EmailMessage
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from deploy.local.sinks.mail import kept_mails
from deploy.local.sinks.webhook import kept_webhooks
from deploy.local.stack import Stack
from tests.retail_cases import TENANT, RetailRun, a_retail_run, send
from tests.topic_watcher import DEAD_LETTERS, DECISIONS, NOTICES, TopicWatcher, assert_decided_once
from tests.waiting import eventually

WITHIN_SECONDS = 45.0


def _client(stack: Stack, service: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {stack.api_key(TENANT)}", "content-type": "application/json"}
    return httpx.AsyncClient(base_url=stack.http(service), headers=headers, timeout=10.0)


async def _until_all_are_decided_and_told(watcher: TopicWatcher, run: RetailRun) -> None:
    await watcher.wait_until(
        lambda one: len(one.decided()) == len(run.cases),
        seconds=WITHIN_SECONDS,
        what="a decision on every case",
    )
    await watcher.wait_until(TopicWatcher.all_notices_ended, seconds=WITHIN_SECONDS, what="every notice")


async def _case(client: httpx.AsyncClient, case_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/cases/{quote(case_id, safe='')}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _mails_about(stack: Stack, case_id: str) -> dict[str, list[EmailMessage]]:
    """Address -> mails that name the case."""
    found: dict[str, list[EmailMessage]] = {}
    for kept in kept_mails(stack.mail_folder):
        mail = email.message_from_bytes(
            (stack.mail_folder / kept.file).read_bytes(), policy=email.policy.default
        )
        assert isinstance(mail, EmailMessage)
        plain = mail.get_body(("plain",))
        assert plain is not None
        if case_id in plain.get_content() + str(mail["subject"]):
            for address in kept.to:
                found.setdefault(address, []).append(mail)
    return found


async def test_cases_from_both_doors_are_decided_by_the_policy_and_everybody_is_told(
    stack: Stack, retail: None
) -> None:
    run = a_retail_run(stack, most=60)
    await send(run)
    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher:
        await _until_all_are_decided_and_told(watcher, run)
        assert watcher.decided() == run.expected
        assert_decided_once(watcher.seen)
        assert all(how == "notice.delivered" for told in watcher.ended_notices().values() for *_, how in told)
        hooks = [kept for kept in kept_webhooks(stack.webhook_folder) if kept.tenant == TENANT]
        about = {json.loads(kept.body)["subject"] for kept in hooks if kept.refusal is None}
        assert run.case_ids <= about, "the shop's own software hears of every case, rightly signed"


async def test_the_location_of_an_accepted_case_is_never_unknown(stack: Stack, retail: None) -> None:
    _, case = _one_escalated(stack)
    async with _client(stack, "intake") as intake, _client(stack, "notifier") as notifier:
        for number in range(200):
            body = case | {"case_id": f"{case['case_id']}/{number}"}
            accepted = await intake.post("/v1/cases", json=body)
            assert accepted.status_code == 202, accepted.text
            for url in (accepted.headers["location"], accepted.json()["request_url"]):
                answer = await notifier.get(url)
                assert answer.status_code == 200, (number, url, answer.text)
        for number in range(20):
            of_case = quote(f"{case['case_id']}/never-{number}", safe="")
            accepted = await intake.post(f"/v1/cases/{of_case}/withdrawal", json={"request_id": "r1"})
            answer = await notifier.get(accepted.headers["location"])
            assert answer.status_code == 200, (number, answer.text)


async def test_a_person_decides_an_escalated_request_and_all_three_parties_are_told(
    stack: Stack, retail: None
) -> None:
    run, case = _one_escalated(stack)
    case_id = case["case_id"]
    await send(run)
    async with (
        TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher,
        _client(stack, "intake") as intake,
        _client(stack, "notifier") as notifier,
    ):
        await _until_all_are_decided_and_told(watcher, run)
        found = await _case(notifier, case_id)
        (request,) = found["requests"]
        approval = request["approval"]
        assert approval["state"] == "open"
        (approver,) = approval["approvers"]

        requester = {"agent_id": case["agent_id"], "reply_id": "by-the-asker"}
        verdict = {"agent_id": approver, "reply_id": "v-1", "reason": "once, out of goodwill"}
        late = {"agent_id": approver, "reply_id": "v-2"}
        for verb, body in (
            ("approve", requester),
            ("approve", verdict),
            ("approve", verdict),
            ("reject", late),
        ):
            answer = await intake.post(f"/v1/approvals/{approval['approval_id']}/{verb}", json=body)
            assert answer.status_code == 202, answer.text

        await watcher.wait_until(
            lambda one: (
                {"approval.not_entitled", "approval.closed", "approval.late"}
                <= {seen.type for seen in one.seen}
            ),
            seconds=WITHIN_SECONDS,
            what="an answer to each verdict",
        )
        await watcher.wait_until(TopicWatcher.all_notices_ended, seconds=WITHIN_SECONDS, what="every notice")
        assert_decided_once(watcher.seen)
        final = {one.event["id"]: one for one in watcher.seen if one.type == "decision.approved"}
        (decision,) = final.values()
        data = decision.event["data"]
        assert (data["by"], data["decided_by"], data["final"]) == ("person", approver, True)
        assert data["mandate"] is not None, "the verdict is checked against the approver's own mandates"

        after = await _case(notifier, case_id)
        (request,) = after["requests"]
        assert request["approval"]["state"] == "closed"
        assert [one["outcome"] for one in request["decisions"]] == ["escalated", "approved"]
        assert request["decisions"][-1]["note"] == "once, out of goodwill"
        assert {
            one["reply_id"]: (one["giver"], one["verdict"], one["outcome"]) for one in request["replies"]
        } == {
            "by-the-asker": (case["agent_id"], "approve", "not_entitled"),
            "v-1": (approver, "approve", "closed"),
            "v-2": (approver, "reject", "late"),
        }
        posted = [kept.body for kept in kept_webhooks(stack.webhook_folder) if case_id in kept.body]
        for type_ in ("approval.late", "approval.not_entitled"):
            assert any(f"mandaat.{type_}.v1" in body for body in posted), type_

        mails = await eventually(lambda: _complete(_mails_about(stack, case_id), case, approver), seconds=20)
        assert len(mails[case["customer"]["email"]]) == 2, "somebody is looking at it, and then the decision"

        conflict = {"agent_id": approver, "reply_id": "v-1", "reason": "on second thoughts"}
        answer = await intake.post(f"/v1/approvals/{approval['approval_id']}/reject", json=conflict)
        assert answer.status_code == 202, answer.text
        await eventually(partial(_has_a_failed_reply, notifier, case_id), seconds=WITHIN_SECONDS)


async def _has_a_failed_reply(notifier: httpx.AsyncClient, case_id: str) -> bool:
    """Whether the case shows a reply that became a dead letter, beside its decision."""
    (request,) = (await _case(notifier, case_id))["requests"]
    assert request["state"] == "approved"
    failed = [one for one in request["replies"] if one["outcome"] == "failed"]
    return [(one["reply_id"], one["reasons"][0]["code"]) for one in failed] == [("v-1", "conflict")]


def _one_escalated(stack: Stack) -> tuple[RetailRun, dict[str, Any]]:
    run = a_retail_run(stack)
    case = next(case for case in run.cases if run.expected[case["case_id"]] == "escalated")
    run.cases = [case]
    run.expected = {case["case_id"]: "escalated"}
    return run, case


def _complete(
    mails: dict[str, list[EmailMessage]], case: dict[str, Any], approver: str
) -> dict[str, list[EmailMessage]] | None:
    """The mails, once customer and agent have two each and the approver has the last one."""
    customer, agent = case["customer"]["email"], f"{case['agent_id']}@example.com"
    right = (
        len(mails.get(customer, ())) >= 2
        and len(mails.get(agent, ())) >= 2
        and len(mails.get(f"{approver}@example.com", ())) >= 2
    )
    return mails if right else None


async def test_a_case_of_another_tenant_is_not_found(stack: Stack, retail: None) -> None:
    run = a_retail_run(stack, most=1)
    await send(run)
    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS, NOTICES)) as watcher:
        await _until_all_are_decided_and_told(watcher, run)
    (case_id,) = run.case_ids
    headers = {"authorization": f"Bearer {stack.api_key('acme')}"}
    async with httpx.AsyncClient(base_url=stack.http("notifier"), headers=headers) as other:
        answer = await other.get(f"/v1/cases/{case_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
