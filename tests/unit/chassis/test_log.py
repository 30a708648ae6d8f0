from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.chassis.process.errors import TryAgain
from services.chassis.process.log import RepetitionFilter, configure, describe, log_each


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stdout", stream)
    configure("intake", "DEBUG")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_service_and_ids(out: io.StringIO) -> None:
    structlog.stdlib.get_logger("mandaat").info("decided", case_id="c-1", request_id="r1", amount_minor=4500)
    (line,) = lines(out)
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {
        "level": "info",
        "event": "decided",
        "service": "intake",
        "case_id": "c-1",
        "request_id": "r1",
        "amount_minor": 4500,
    }


def test_names_and_texts_of_people_are_left_out(out: io.StringIO) -> None:
    structlog.stdlib.get_logger("mandaat").info(
        "x", email="a@example.org", customer={"id": 1}, other=object()
    )
    text = out.getvalue()
    assert "example.org" not in text
    assert lines(out)[0]["email"] == "(left out)"
    assert lines(out)[0]["other"] == "<object>"


def test_an_error_is_logged_with_type_and_place_without_text_or_variables(out: io.StringIO) -> None:
    try:
        password = "hunter2"
        raise ValueError(f"bad input a@example.org {password}")
    except ValueError:
        structlog.stdlib.get_logger("mandaat").exception("bug")
    text = out.getvalue()
    assert "example.org" not in text
    assert "hunter2" not in text
    assert lines(out)[0]["exception"][0] == "builtins.ValueError"
    assert "test_log.py" in lines(out)[0]["exception"][1]


def test_lines_of_libraries_are_json_too_without_texts_of_errors(out: io.StringIO) -> None:
    logging.getLogger("asyncio").error(
        "Task exception was never retrieved", exc_info=RuntimeError("a@example.org")
    )
    (line,) = lines(out)
    assert line["event"] == "Task exception was never retrieved"
    assert line["logger"] == "asyncio"
    assert "example.org" not in out.getvalue()


def test_the_cause_of_an_error_is_logged() -> None:
    try:
        try:
            raise OSError(111, "Connection refused")
        except OSError as error:
            raise TryAgain("redis is away") from error
    except TryAgain as error:
        told = describe(error)
    assert told[0] == "services.chassis.process.errors.TryAgain: redis is away"
    assert "builtins.ConnectionRefusedError: [Errno 111] Connection refused" in told


def test_repeated_lines_of_libraries_are_dropped_and_ours_are_not() -> None:
    damper = RepetitionFilter(burst=3, seconds=10)

    def passes(name: str) -> int:
        record = logging.LogRecord(name, logging.ERROR, "f", 7, "away", (), None)
        return sum(damper.filter(record) for _ in range(100))

    assert passes("aiokafka.client") == 3
    assert passes("mandaat") == 100


def test_libraries_do_not_log_keys_values_or_addresses(out: io.StringIO) -> None:
    logging.getLogger("aiokafka.producer").debug("Sending (key=%s value=%s)", "k", "secret")
    logging.getLogger("httpx").info("HTTP Request: POST https://example.org/hook?token=secret")
    assert out.getvalue() == ""


def test_lines_written_at_once_look_like_lines_written_alone(out: io.StringIO) -> None:
    rows = [{"outcome": "approved", "case_id": 'c-"1"\n'}, {"outcome": "refused", "case_id": "zaak-é"}]
    log_each("decided", rows)
    for row in rows:
        structlog.stdlib.get_logger("mandaat").info("decided", **row)

    said = lines(out)
    for line in said:
        assert line.pop("timestamp").endswith("Z")
    assert said[:2] == said[2:]


def test_lines_written_at_once_respect_the_level(out: io.StringIO) -> None:
    configure("intake", "WARNING")
    log_each("decided", [{"case_id": "c-1"}])
    log_each("decided", [])

    assert lines(out) == []


def test_no_rows_write_no_line(out: io.StringIO) -> None:
    log_each("decided", [])

    assert lines(out) == []


def test_private_keys_cannot_be_written_at_once(out: io.StringIO) -> None:
    with pytest.raises(ValueError, match="private"):
        log_each("decided", [{"email": "a@example.org"}])
