"""One escalated case of the run, followed to its end through the services and the mail sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeVar

import httpx

from deploy.local.demo.retail import RetailCase
from deploy.local.problems import StackError
from deploy.local.sinks.mail import KeptMail, kept_mails

PATIENCE_SECONDS: Final = 60.0
"""The longest wait for a decision or a mail of the story."""
PAUSE_SECONDS: Final = 0.05
WORDS: Final = "I checked the order: this is fair."
"""The words with which the approver approves; the agent reads them."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Letter:
    """A mail as the sink received it: the lines of its text."""

    to: str
    subject: str
    lines: tuple[str, ...]
    file: Path


@dataclass(frozen=True)
class Story:
    """The request, why it was escalated, the mail to an approver, the verdict, and the customer's mail."""

    case: Mapping[str, Any]
    reasons: tuple[str, ...]
    approver: str
    asked: Letter
    path: str
    decision: Mapping[str, Any]
    seconds: float
    """From sending the verdict until the decision was seen."""
    told: Letter


class StoryTeller:
    """Follows one case of a running stack. Raises StackError if a step takes too long or is refused."""

    def __init__(self, intake: str, notifier: str, key: str, mail_folder: Path) -> None:
        self._intake, self._notifier, self._mails = intake, notifier, mail_folder
        self._headers = {"Authorization": f"Bearer {key}"}

    def tell(self, cases: Sequence[RetailCase], staff: Mapping[str, str]) -> Story:
        """The first of these cases that waits for an approver. `staff`: mail addresses by agent id."""
        case_id = next(case.case_id for case in cases if case.expected == "escalated")
        request = self._request_when(case_id, "escalated")
        approval = request["approval"]
        approver = next(person for person in approval["approvers"] if person in staff)
        (escalation,) = request["decisions"]
        asked = self._letter(staff[approver], case_id, after=0)
        known = len(kept_mails(self._mails))
        path, started = f"/v1/approvals/{approval['approval_id']}/approve", monotonic()
        self._post(path, {"agent_id": approver, "reply_id": f"demo-{case_id}", "reason": WORDS})
        approved = self._request_when(case_id, "approved")
        seconds = monotonic() - started
        return Story(
            case={**approved, "case_id": case_id},
            reasons=tuple(reason["text"] for reason in escalation["reasons"]),
            approver=approver,
            asked=asked,
            path=path,
            decision=approved["decisions"][-1],
            seconds=seconds,
            told=self._letter(request["customer"]["email"], "", after=known),
        )

    def _request_when(self, case_id: str, state: str) -> dict[str, Any]:
        """The request of a case, once it is in this state."""

        def found() -> dict[str, Any] | None:
            answer = self._ask(httpx.get, f"{self._notifier}/v1/cases/{case_id}")
            request: dict[str, Any] = answer.json()["requests"][0] if answer.status_code == 200 else {}
            return request if request.get("state") == state else None

        return _wait_for(found, f"case {case_id} to be {state}")

    def _letter(self, to: str, named: str, after: int) -> Letter:
        """The first mail to this address after so many mails, whose subject names the case."""

        def found() -> KeptMail | None:
            mails = kept_mails(self._mails)[after:]
            return next((one for one in mails if to in one.to and f"{named})" in f"{one.subject})"), None)

        mail = _wait_for(found, f"a mail to {to}")
        message = message_from_bytes((self._mails / mail.file).read_bytes(), policy=default)
        text = message.get_body(("plain",))
        lines = text.get_content().splitlines() if text is not None else []
        return Letter(to, mail.subject, tuple(lines), self._mails / mail.file)

    def _post(self, path: str, body: Mapping[str, str]) -> None:
        answer = self._ask(httpx.post, f"{self._intake}{path}", json=body)
        if answer.status_code != 202:
            raise StackError(f"the verdict was not accepted: {answer.status_code}: {answer.text[:500]}")

    def _ask(self, method: Callable[..., httpx.Response], address: str, **more: object) -> httpx.Response:
        try:
            return method(address, headers=self._headers, timeout=PATIENCE_SECONDS, **more)
        except httpx.HTTPError as problem:
            raise StackError(f"{address} does not answer: {problem!r}") from problem


def essential(lines: Sequence[str], most: int) -> Iterator[str]:
    """The lines of a letter without blank ones and its footer, and `...` where it is longer than `most`."""
    body = [line for line in _without_footer(lines) if line.strip()]
    yield from body[:most]
    if len(body) > most:
        yield "..."


def _without_footer(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.rstrip() == "--":
            return
        yield line


def _wait_for(found: Callable[[], Found | None], what: str) -> Found:
    deadline = monotonic() + PATIENCE_SECONDS
    while (one := found()) is None:
        if monotonic() > deadline:
            raise StackError(f"waited {PATIENCE_SECONDS:.0f} s for {what}, which did not come")
        sleep(PAUSE_SECONDS)
    return one
