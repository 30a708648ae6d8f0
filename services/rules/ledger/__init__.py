"""The ledger in Redis: the protocol of docs/ledger.md. Nothing in here knows a domain noun.

How a worker uses it:

=========  ==================================================================================================
start      `check_settings` answers what is wrong with Kafka and Redis; until that is nothing, decide nothing
assigned   `ledger.adopt()` once; then `take_over(p, ...)` answers the generation under which p is held
read       `ledger.read(parts, [Wanted(...)])` answers states and index entries
settle     `ledger.call(parts, [Item(...)])` answers `New`, `SettledBefore` or a `Refusal` for each item
publish    `journal.publish` the events of each `New`, in order of sequence, with the time sequence / 1000
confirm    put `Confirm(first_sequence, next_offset, effects)` into the `Part` of the next call or read
failed     after TryAgain, a refusal or a failed publish: `take_over` the partitions of that call again
cold       after `Cold` from any method: `cold_start`, then `take_over` every partition again
verify     `verify` compares the ledger with the journal
=========  ==================================================================================================

A caller gives `effects_of(events) -> Applied`: what the events of one input did, in the ledger's terms. It is
pure, and answers the same effects that the confirm of the input's round had.
"""
