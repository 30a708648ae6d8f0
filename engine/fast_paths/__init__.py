"""Two faster ways beside the models, for nearly all traffic: one reads submissions, one writes approvals.

Both give up on the slightest doubt; the models then do the same work.
"""
