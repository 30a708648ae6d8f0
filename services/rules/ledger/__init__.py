"""The ledger and the journal, as the rules service sees them (LEDGER.md). No domain noun comes in here.

How a worker uses it, in order::

    redis = connect(url)                                   # retries nothing by itself
    ledger, journal = Ledger(redis), Journal(bootstrap, producer) # producer: services.chassis.kafka.producer
    fence = Fence(fence_seconds=T, clock_seconds=S)

    start     problems = await check_settings(bootstrap=, redis=, sizes=)    # not ready while there are any
              if not await ledger.adopt(): await cold_start(ledger=, journal=, effects_of=, fence=)
    assigned  held = await take_over(p, ledger=, journal=, effects_of=, fence=)    -> Held(p, gen, waited)
    reads     reading = await ledger.read([Part(p, gen, confirm)], [Wanted(p, states=(...), ids=(...))])
              -> reading.found[p].states / .entries; it sends the confirms that are given, and so does `call`
    round     settled = await ledger.call([Part(...), ...], [Item(p, id, digest, takes, looks), ...])
              takes: charges by variant, the first with room is counted; looks: only asked where none had room
              answers, in order: New(seq, variant, used) | Known(digest, seq) | Refusal.FENCED | Refusal.BUSY
    repeats   events = await journal.stored([(p, seq), ...])           -> {(p, seq): (Record, ...)}
    publish   outcomes = await journal.publish([Entry(p, timestamp_ms, records), ...])
              -> {p: Landed(next_offset) | NotLanded(why)}; in order of seq; timestamp_ms = seq // 1000, or
              settled.time_us // 1000 for repeats
    confirm   Part(p, gen, Confirm(b0, next_offset, effects)) in the next call or read. b0 = settled.b0 where
              the partition settled something New in that round, None where it published only repeats
    failed    NotLanded, a refusal, TryAgain from `call`: `take_over` those partitions, with
              `unlanded=Unlanded(gen, monotonic time when call answered)` for NotLanded only
    cold      `Cold` from any method: `cold_start`, then take all partitions again; `NewerLedger` from `adopt`
              and `cold_start`: leave it alone
    verify    report = await verify(redis=, journal=FollowedJournal(...), effects_of=, tell=)

`effects_of(events)` is the domain's: the events of one sequence (parsed JSON, each once) -> Applied(seq, id,
digest, effects), with the id and digest that the input was settled under, what it charged (Credits of either
sign), and the same effects that its round would have confirmed. Sequences of a round: New(seq) are b0,
b0 + 1, ... in order of the items.
"""
