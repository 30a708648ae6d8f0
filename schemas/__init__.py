"""The only language that the services share: models, ids, topics.

Every record is described here and nowhere else. A model is frozen and strict. What comes from outside is read
with :func:`schemas.reading.read`, which turns whatever is wrong into one :class:`schemas.errors.Unreadable`.
"""
