"""The promises of LEDGER.md checked from the topics alone, with code that shares nothing with the services.

    findings = audit(topics, tenant)      # tests.audit.promises; empty where every promise is kept
    counters = Totals of tests.audit.budgets: what the ledger must have counted, by the journal alone

What is read comes from a plain consumer (tests.audit.topics), policies are read by a plain YAML library,
windows are reckoned by zoneinfo. A test holds that nothing here imports the project.
"""
