"""What a policy lets somebody decide, and why it decided as it did, in sentences of the reader's language.

The sentences stand in words.json. Nothing here judges: what is told comes from the judge and the counters.
"""
