from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

PREAMBLE = """
import asyncio, sys
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.run import run
from services.chassis.process.settings import TopicSettings
def say(text):
    print(text, flush=True)
"""


def start(main: str, **environment: str) -> subprocess.Popen[str]:
    program = PREAMBLE + textwrap.dedent(main) + "\nrun('test', main)\n"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"{word} never came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_main_finish_and_exits_0(number: int) -> None:
    process = start(
        """
        async def main(stop):
            say("ready")
            await stop.wait()
            await asyncio.sleep(0.05)
            say("finished")
        """
    )
    wait_for(process, "ready")
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "finished" in out


def test_a_signal_before_everything_is_open_cancels_and_exits_0() -> None:
    process = start(
        """
        async def main(stop):
            try:
                say("ready")
                await asyncio.Event().wait()
            finally:
                say("closed")
        """
    )
    wait_for(process, "ready")
    process.terminate()
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "closed" in out


def test_a_bug_exits_1_and_is_logged_without_its_text() -> None:
    process = start(
        """
        async def main(stop):
            raise KeyError("a@example.org")
        """
    )
    out, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "KeyError" in out
    assert "example.org" not in out + err


def test_a_bug_reported_by_a_loop_closes_everything_and_exits_1() -> None:
    process = start(
        """
        async def main(stop):
            stop.fail(RuntimeError())
            await stop.wait()
            say("closed")
        """
    )
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "closed" in out


@pytest.mark.parametrize(
    ("main", "environment", "said"),
    [
        ("async def main(stop): raise ConfigurationError('MANDAAT_X is wrong')", {}, "MANDAAT_X is wrong"),
        ("async def main(stop): TopicSettings()", {"MANDAAT_PARTITIONS": "many"}, "MANDAAT_PARTITIONS"),
        ("async def main(stop): pass", {"MANDAAT_LOG_LEVEL": "loud"}, "MANDAAT_LOG_LEVEL"),
    ],
)
def test_wrong_settings_print_one_line_and_exit_2(main: str, environment: dict[str, str], said: str) -> None:
    process = start(main, **environment)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_stop_that_takes_too_long_is_ended_within_10_seconds() -> None:
    process = start(
        """
        async def main(stop):
            say("ready")
            await stop.wait()
            await asyncio.Event().wait()
        """
    )
    wait_for(process, "ready")
    process.terminate()
    started = time.monotonic()
    process.communicate(timeout=15)
    assert process.returncode != 0
    assert time.monotonic() - started < 10
