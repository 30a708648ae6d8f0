"""The only language that the services share: models, ids, topics.

Every record is described here and nowhere else. Models are frozen and strict. Input from outside is read with
:func:`schemas.reading.read`, which reports all errors as one :class:`schemas.errors.Unreadable`.
"""
