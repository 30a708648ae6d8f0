"""A process of the stack can be found again, is not mistaken for another, and can be stopped."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.part import StackPart
from deploy.local.problems import StackError, StartError
from deploy.local.process import Process
from tests.waiting import wait_until

SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
POLITE = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); {SLEEPS}"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    one = Process("one", tmp_path)
    yield one
    one.kill()


def started(process: Process, program: str) -> Process:
    process.spawn([sys.executable, "-c", program], {}, {"one_port": 1})
    process.wait_until(lambda: "ready" in process.tail(), 20)
    return process


def test_a_later_command_finds_the_process(process: Process) -> None:
    found = started(process, SLEEPS).running()
    again = Process("one", process.state).running()
    assert found is not None
    assert again is not None
    assert again.pid == found.pid


def test_a_reused_process_id_is_not_the_process(process: Process) -> None:
    started(process, SLEEPS)
    record = process.state / "processes" / "one.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "created": content["created"] - 60}))
    assert process.running() is None
    record.write_text(json.dumps(content))
    assert process.running() is not None


def test_an_incomplete_record_is_ignored(process: Process) -> None:
    (process.state / "processes").mkdir()
    (process.state / "processes" / "one.json").write_text('{"pid": 1')
    assert process.running() is None


def test_stop_returns_the_exit_code(process: Process) -> None:
    assert started(process, POLITE).stop(20) == 0
    assert process.running() is None
    assert process.recorded() is None


def test_a_process_that_ignores_sigterm_is_killed(process: Process) -> None:
    assert started(process, STUBBORN).stop(0.2) == -signal.SIGKILL
    assert process.running() is None


def test_a_paused_process_can_be_stopped(process: Process) -> None:
    started(process, POLITE).signal(signal.SIGSTOP)
    found = process.running()
    assert found is not None
    wait_until(lambda: found.status() == "stopped")
    assert process.stop(20) == 0


def test_a_failed_start_is_reported_with_the_end_of_the_log(process: Process) -> None:
    process.spawn([sys.executable, "-c", "raise SystemExit('no such setting')"], {}, {})
    with pytest.raises(StartError, match="one stopped while starting") as raised:
        process.wait_until(lambda: False, 20)
    assert "no such setting" in raised.value.log_tail


def test_a_process_that_is_never_ready_is_reported(process: Process) -> None:
    started(process, SLEEPS)
    with pytest.raises(StartError, match="not ready within"):
        process.wait_until(lambda: False, 0.1)


def test_a_taken_port_is_reported_with_its_setting_and_process(process: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        part = StackPart(process, {"rules_port": port}, list, dict, lambda: True, 1, 1)
        with pytest.raises(StackError, match=rf"port {port}, for one, is taken.*MANDAAT_LOCAL_RULES_PORT"):
            part.begin()
