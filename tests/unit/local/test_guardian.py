"""Nothing that a stack started outlives the process that guards it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.guardian import guarded, recorded
from deploy.local.process import Process
from tests.waiting import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
GUARDING = f"""
import os, signal, sys, time
from pathlib import Path
from deploy.local.guardian import guarded
from deploy.local.process import Process
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started it in the background
state = Path(sys.argv[1])
with guarded(state):
    Process("one", state).spawn({SLEEP!r}, os.environ, {{}})
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_starter_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    one = Process("one", tmp_path)
    starter = subprocess.Popen([sys.executable, "-c", GUARDING, str(tmp_path)])
    try:
        wait_until(one.running)
    finally:
        starter.send_signal(number)
        starter.wait(20)
    wait_until(lambda: one.running() is None)


def test_nothing_is_left_after_the_block(tmp_path: Path) -> None:
    with guarded(tmp_path):
        Process("one", tmp_path).spawn(SLEEP, os.environ, {})
    assert [one.running() for one in recorded(tmp_path)] == [None]


def test_processes_of_another_stack_are_left_alone(tmp_path: Path) -> None:
    other = Process("other", tmp_path / "other")
    (tmp_path / "other").mkdir()
    other.spawn(SLEEP, os.environ, {})
    try:
        with guarded(tmp_path / "guarded"):
            pass
        assert other.running() is not None
    finally:
        other.kill()
