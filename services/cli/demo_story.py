"""The end of the demonstration: one case as a story, and what to try next."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.local.demo import retail
from deploy.local.demo.retail import RetailCase
from deploy.local.demo.story import Letter, Story, StoryTeller, essential
from deploy.local.stack import Stack
from services.cli.staff_files import read_staff

_MOST_OF_MAIL: Final = 12
"""The most lines of a mail that are shown; the file holds all."""


def tell(console: Console, stack: Stack, cases: Sequence[RetailCase]) -> Story:
    """Approve one escalated case, and print what happened to it. Raises StackError."""
    rows = read_staff(retail.FOLDER / "staff.jsonl").rows
    emails = {member.agent_id: member.email for _, member in rows if member.email is not None}
    key = stack.api_key(retail.TENANT)
    teller = StoryTeller(stack.http("intake"), stack.http("notifier"), key, stack.mail_folder)
    story = teller.tell(cases, emails)
    for line in story_lines(story):
        console.print(line, markup=False, soft_wrap=True)
    return story


def show_next(console: Console, stack: Stack, story: Story, *, stays: bool) -> None:
    """Print what to try next."""
    console.print("\n[bold]What to try next[/bold]" + (", in another terminal" if stays else ""))
    for purpose, command in next_commands(stack, story, stays=stays):
        console.print(f"{purpose}:\n  {command}", markup=False, soft_wrap=True)


def story_lines(story: Story) -> list[str]:
    """The story, a line each."""
    case, request, decision = story.case, story.case["request"], story.decision
    amount = "" if request["amount"] is None else f", {request['amount']} {request['currency']}"
    return [
        "",
        f"One case of this run: {case['case_id']}",
        f"{case['customer']['name']} came by {case['channel']}: {case['subject']}.",
        f"{case['agent_id']} asked for {request['kind']}{amount}: {request['reason']}.",
        *(f"It was escalated. {reason}" for reason in story.reasons),
        *_letter_lines(story.asked),
        f"{story.approver} approved with POST {story.path}: {decision['note'] or ''}",
        f"It was {decision['outcome']} by {decision['decided_by']}, {story.seconds * 1000:.0f} ms later.",
        *_letter_lines(story.told),
    ]


def _letter_lines(letter: Letter) -> list[str]:
    lines = [f"Subject: {letter.subject}", *essential(letter.lines, _MOST_OF_MAIL)]
    return [f"Mail to {letter.to} ({letter.file.name}):", *(f"  | {line}" for line in lines)]


def next_commands(stack: Stack, story: Story, *, stays: bool) -> list[tuple[str, str]]:
    """Three commands to try next, each with its purpose. `stays`: whether the stack keeps running."""
    mandaat, folder = sys.argv[0], _short(retail.FOLDER)
    files = f"--policy {folder}/policy.yaml --staff {folder}/staff.jsonl"
    explain = f"{mandaat} explain {files} --lang en --case-id {story.case['case_id']} {folder}/cases.jsonl"
    running = f"MANDAAT_STATE_DIR={_short(stack.state)} {mandaat} staff list --tenant {retail.TENANT}"
    return [
        ("why that case was escalated, mandate by mandate", explain),
        ("run the tests of another policy", f"{mandaat} policy test {_short(retail.FOLDER.parent)}/hotel"),
        ("see the staff of this stack", running)
        if stays
        else ("start the same stack for daily work", f"{mandaat} local up"),
    ]


def _short(path: Path) -> str:
    """The path from the working directory, if it is below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
