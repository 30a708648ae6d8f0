"""The step that publishes: decisions to the journal, and the stored answers of repeats once more.

New decisions go first. The broker refuses them once they are older than T, so no look-up may delay them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import assert_never

from engine.inputs import Input
from schemas.cloud_event import HEADERS
from services.chassis.process.errors import TryAgain
from services.chassis.process.failpoints import Point, reach
from services.chassis.process.log import log, log_each
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed, NotLanded
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Confirm, Effect
from services.rules.metrics import RulesMetrics
from services.rules.worker.effects import ledger_effects
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.judging import DECIDED_ELSEWHERE
from services.rules.worker.outcome import FINISHED, BatchOutcome, Undecidable
from services.rules.worker.prefetch import look_up
from services.rules.worker.settling import AnsweredCall, Decided, Decisions, Repeat


async def publish_new(
    decisions: Decisions, journal: Journal, partitions: HeldPartitions, metrics: RulesMetrics
) -> BatchOutcome:
    """Publish what a call settled, in order of sequence, and the repeats of it. The next call confirms it."""
    if not decisions.new:
        return FINISHED
    reach(Point.AFTER_SETTLE)
    settlement = decisions.settlement
    entries = [_entry(one, one.seq // 1000) for one in decisions.new]
    entries += [_entry(one, settlement.time_us // 1000) for _, one in decisions.repeats_of_new]
    next_offsets, failures = await _publish(entries, settlement.call, journal)
    for p, effects in _effects_by_partition(decisions.new).items():
        if p in next_offsets:
            confirm = Confirm(settlement.first_sequence, next_offsets[p], tuple(effects))
            partitions.published(p, settlement.call.gens[p], confirm)
    reach(Point.AFTER_ACKNOWLEDGE)
    _count_new(failures.remaining(decisions.new), metrics)
    _count_repeats(failures.remaining([repeat for repeat, _ in decisions.repeats_of_new]), metrics)
    return failures


async def publish_repeats(
    repeats: Sequence[Repeat],
    call: AnsweredCall,
    ledger: Ledger,
    journal: Journal,
    partitions: HeldPartitions,
    metrics: RulesMetrics,
) -> BatchOutcome:
    """Publish the stored events of repeats again, byte for byte, at the time of now by Redis' clock."""
    if not repeats:
        return FINISHED
    wanted = {one.place for one in repeats}
    try:
        stored = await look_up(journal, wanted)
        now_ms = await ledger.time_us() // 1000
    except TryAgain as away:
        log.warning("repeats_wait", error=str(away))
        return BatchOutcome(retry=frozenset(p for p, _ in wanted))
    answered = [one for one in repeats if one.place in stored]
    entries = [JournalEntry(one.place[0], now_ms, stored[one.place]) for one in answered]
    next_offsets, failures = await _publish(entries, call, journal)
    for p, next_offset in next_offsets.items():
        partitions.repeated(p, call.gens[p], next_offset)
    _count_repeats(failures.remaining(answered), metrics)
    missing = [one for one in repeats if one.place not in stored]
    undecidable = [Undecidable(one.input, one.record, DECIDED_ELSEWHERE) for one in missing]
    return failures | BatchOutcome(undecidable=tuple(undecidable))


async def _publish(
    entries: Sequence[JournalEntry], call: AnsweredCall, journal: Journal
) -> tuple[dict[int, int], BatchOutcome]:
    """The next offset of each partition that landed, and the partitions that did not."""
    outcomes = await journal.publish(entries) if entries else {}
    next_offsets, failed = {}, {}
    for p, outcome in outcomes.items():
        match outcome:
            case Landed(next_offset):
                next_offsets[p] = next_offset
            case NotLanded(why):
                log.warning("round_not_landed", partition=p, why=why)
                failed[p] = call.failed_publish(p)
            case _:
                assert_never(outcome)
    return next_offsets, BatchOutcome(failed)


def _entry(one: Decided, timestamp_ms: int) -> JournalEntry:
    key = one.rendered.key
    records = tuple([JournalRecord(key, value, HEADERS) for value in one.rendered.values])
    return JournalEntry(one.judged.input.partition, timestamp_ms, records)


def _effects_by_partition(decided: Iterable[Decided]) -> dict[int, list[Effect]]:
    """The effects that the confirm of each partition has."""
    effects: defaultdict[int, list[Effect]] = defaultdict(list)
    for judged, seq, rendered in decided:
        effects[judged.input.partition] += ledger_effects(rendered.effects.left_to_do, seq)
    return effects


def _count_new(decided: Sequence[Decided], metrics: RulesMetrics) -> None:
    metrics.decided([one.rendered.outcome for one in decided], [one.judged.record for one in decided])
    without_approver = sum(
        one.rendered.outcome == "escalated" and not one.judged.proposal.approvers for one in decided
    )
    metrics.without_approver.inc(without_approver)
    metrics.warned(per for one in decided for per in one.rendered.warnings)
    log_each("decided", map(_decided, decided))


def _decided(one: Decided) -> dict[str, str]:
    """The line in the log of a decided input. What is not known of it is left out."""
    known = {name: text for name, text in one.rendered.about._asdict().items() if text is not None}
    return {"outcome": one.rendered.outcome, **_ids(one.judged.input), **known}


def _count_repeats(repeats: Sequence[Repeat], metrics: RulesMetrics) -> None:
    metrics.repeated(len(repeats))
    log_each("repeated", (_ids(one.input) for one in repeats))


def _ids(one: Input) -> dict[str, str]:
    """The ids by which a line in the log is found."""
    return one.request_key._asdict()
