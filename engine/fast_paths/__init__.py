"""Two faster alternatives to the models, for most records: one decodes submissions, one writes approvals.

For a record that they do not handle, they return None and the models do the work. For all others the result
equals that of the models; tests/unit/engine/test_submission_decoder.py and test_approval_template.py compare
the two. They exist only for speed (docs/speed.md, Where the time goes), and must not contain rules.
"""
