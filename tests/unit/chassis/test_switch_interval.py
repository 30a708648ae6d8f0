from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.chassis.http.keys import Keys
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.run import Stop
from services.chassis.process.threads import SWITCH_SECONDS, shorten_switch_interval
from services.rules import app


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


def test_a_computing_thread_yields_to_the_loop_within_half_a_millisecond() -> None:
    shorten_switch_interval()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)


async def test_rules_shortens_the_switch_interval_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_keys(path: Path) -> None:
        raise ConfigurationError("no keys")

    monkeypatch.setattr(Keys, "load", no_keys)
    monkeypatch.setenv("MANDAAT_KEYS_FILE", str(tmp_path / "keys.jsonl"))
    with pytest.raises(ConfigurationError, match="no keys"):
        await app.main(Stop())
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
