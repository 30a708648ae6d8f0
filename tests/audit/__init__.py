"""The promises of docs/ledger.md, Promises, checked from the topics alone.

    findings = audit(topics, tenant)      # tests.audit.promises; empty if every promise is kept
    counters = Totals of tests.audit.budgets: what the ledger must hold, from the journal alone

It shares no code with the services: a plain consumer reads the topics (tests.audit.topics), a plain YAML
library reads policies, and zoneinfo gives the windows. A test checks that nothing here imports the project.
"""
