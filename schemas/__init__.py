"""The contracts between the services: models, ids and topics.

All records are described here and nowhere else. Models are frozen and strict. Input from outside is read with
:func:`schemas.reading.read`, which reports all errors as one :class:`schemas.errors.Unreadable`.
"""
