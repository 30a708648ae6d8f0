"""Two shortcuts beside the models, for nearly all traffic: one reads submissions, one writes approvals.

Both give up when in doubt, and then the models do the work. They give what the models give, and tests compare
the two: tests/unit/engine/test_submission_decoder.py and test_approval_template.py.
They are only here for speed (docs/speed.md, Where the time goes). No rule may stand in them.
"""
