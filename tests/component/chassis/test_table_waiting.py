"""A table that waits for its topic logs a warning only when it waits long."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from services.chassis.kafka import table as table_module
from services.chassis.kafka.table import Table
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics


class NotOpenYet(Table[bytes]):
    """A table that can be read at the second try."""

    tries = 0

    async def read_to_end(self, timeout_seconds: float = 10.0) -> None:
        self.tries += 1
        if self.tries == 1:
            raise TryAgain("mandaat.staff is not open")

    async def _follow(self) -> None:
        return


@pytest.mark.parametrize(("quiet_seconds", "level"), [(60.0, "debug"), (-1.0, "warning")])
async def test_only_long_waiting_for_a_topic_is_a_warning(
    quiet_seconds: float, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "QUIET_SECONDS", quiet_seconds)
    table = NotOpenYet(
        "mandaat.staff",
        bootstrap="nowhere",
        client_id="test",
        metrics=Metrics(),
        parse=lambda _, value: value,
        on_bug=lambda _: None,
    )
    with capture_logs() as logged:
        async with table:
            assert table.ready() is None
    assert [(one["event"], one["log_level"]) for one in logged] == [("table_waits", level)]
