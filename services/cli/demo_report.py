"""The report at the end of the demonstration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from deploy.local import access
from deploy.local.demo.outcome import DemoOutcome, percentile
from deploy.local.demo.retail import TENANT, RetailCase
from deploy.local.stack import SERVICES, Stack

OUTCOMES = ("approved", "escalated", "refused", "no decision")
AUDIENCES = {"customer": "customers", "agent": "agents", "approver": "approvers", "webhook": "webhook"}
SHOWN_DIFFERENCES = 50


def show(console: Console, stack: Stack, cases: Sequence[RetailCase], outcome: DemoOutcome) -> bool:
    """Print tables, times, addresses and differences; whether all is as expected."""
    right = sum(outcome.outcome_of(case) == case.expected for case in cases)
    differences = outcome.differences(cases)
    console.print(_decisions(cases, outcome))
    console.print(f"[bold]{right} of {len(cases)} as expected[/bold]")
    console.print(_notices(outcome))
    seconds = outcome.seconds_to_decide()
    p50, p99 = (percentile(seconds, share) * 1000 for share in (0.50, 0.99))
    console.print(f"from acceptance to decision: p50 {p50:.0f} ms, p99 {p99:.0f} ms, all published at once")
    _addresses(console, stack)
    for difference in differences[:SHOWN_DIFFERENCES]:
        console.print(f"[red]{difference}[/red]", soft_wrap=True)
    if len(differences) > SHOWN_DIFFERENCES:
        console.print(f"[red]and {len(differences) - SHOWN_DIFFERENCES} more differences[/red]")
    return not differences


def _decisions(cases: Sequence[RetailCase], outcome: DemoOutcome) -> Table:
    """Outcomes by kind: the actual number, of the expected number."""
    found = Counter((case.kind, outcome.outcome_of(case)) for case in cases)
    expected = Counter((case.kind, case.expected) for case in cases)
    seen = [each for each in OUTCOMES if any(key[1] == each for key in found | expected)]
    table = Table("kind", *seen, "as expected", title="decided of expected")
    for kind in sorted({case.kind for case in cases}):
        of_kind = [case for case in cases if case.kind == kind]
        right = sum(outcome.outcome_of(case) == case.expected for case in of_kind)
        cells = [f"{found[kind, each]} of {expected[kind, each]}" for each in seen]
        table.add_row(kind, *cells, f"{right} of {len(of_kind)}")
    return table


def _notices(outcome: DemoOutcome) -> Table:
    ended, due = outcome.notices(), Counter(telling.audience for telling in outcome.due)
    table = Table("notices to", "due", "delivered", "failed", title="notices")
    for audience, name in AUDIENCES.items():
        table.add_row(name, *map(str, (due[audience], ended[audience, True], ended[audience, False])))
    return table


def _addresses(console: Console, stack: Stack) -> None:
    addresses = stack.addresses()
    lines = [
        (service, f"{addresses[service]}/openapi.json  {addresses[service]}/metrics") for service in SERVICES
    ]
    names = ("kafka", "redis", "smtp", "webhook", "mail", "webhooks", "logs")
    lines += [(name, addresses[name]) for name in names]
    lines.append(("API key", str(access.key_file(stack.state, TENANT))))
    for name, address in lines:
        console.print(f"[bold]{name:<9}[/bold] {address}", soft_wrap=True)
