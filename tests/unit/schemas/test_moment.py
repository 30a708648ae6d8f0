from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.moment import EARLIEST, TOO_LATE, Moment

MOMENTS: TypeAdapter[datetime] = TypeAdapter(Moment)


@given(
    st.datetimes(
        EARLIEST.replace(tzinfo=None) + timedelta(days=2), TOO_LATE.replace(tzinfo=None) - timedelta(days=2)
    ),
    st.integers(-23, 23),
)
def test_a_moment_written_and_read_again_is_the_same(time: datetime, hours: int) -> None:
    moment = time.replace(tzinfo=timezone(timedelta(hours=hours)))

    assert MOMENTS.validate_json(MOMENTS.dump_json(moment)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T08:00:00Z",
        "2026-03-02T09:00:00+01:00",
        "2026-03-02t08:00:00z",
        "2026-03-02 08:00:00.000000000Z",
    ],
)
def test_a_moment_is_written_in_rfc_3339(text: str) -> None:
    assert MOMENTS.validate_json(f'"{text}"') == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        '"1772438400"',
        "1772438400",
        '"2026-03-02"',
        '"2026-03-02T08:00:00"',
        '"tomorrow"',
        "null",
        '"2026-02-30T08:00:00Z"',
    ],
)
def test_a_value_that_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENTS.validate_json(text)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00", "1969-12-31T23:59:59Z"]
)
def test_a_moment_that_some_time_zone_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENTS.validate_json(f'"{text}"')


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Amsterdam"])
@pytest.mark.parametrize("edge", [EARLIEST, TOO_LATE - timedelta(microseconds=1)])
def test_a_moment_is_valid_in_every_time_zone(zone: str, edge: datetime) -> None:
    assert MOMENTS.validate_python(edge).astimezone(ZoneInfo(zone)) == edge
