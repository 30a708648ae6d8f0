"""A test run that is killed leaves no process of its stack behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local.guardian import recorded
from tests.waiting import wait_until

A_TEST = """
import time
from pathlib import Path

def test_that_does_not_end(backing):
    backing.up(["redis", "sinks"])
    (Path(__file__).parent / "state").write_text(str(backing.state))
    time.sleep(300)
"""

# Processes that a shell runs in the background ignore SIGINT, and so do the processes that they start.
LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


@pytest.mark.parametrize(
    ("victim", "number"),
    [("run", signal.SIGTERM), ("run", signal.SIGINT), ("run", signal.SIGKILL), ("worker", signal.SIGKILL)],
)
def test_nothing_is_left_of_a_killed_run(victim: str, number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(A_TEST)
    (tmp_path / "conftest.py").write_text(LISTEN)
    state_file, temp = tmp_path / "state", tmp_path / "temp"
    arguments = ["-n", "1", "-p", "no:cacheprovider", "-p", "tests.conftest", "--basetemp", str(temp)]
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            *arguments,
            "--rootdir",
            str(tmp_path),
            str(tmp_path / "test_one.py"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: state_file.exists() or run.poll() is not None, seconds=60)
        processes = recorded(Path(state_file.read_text()))
        assert [process.name for process in processes if process.running()] == ["redis", "sinks"]
        (worker,) = psutil.Process(run.pid).children()
        os.kill(run.pid if victim == "run" else worker.pid, number)
        wait_until(lambda: not any(process.running() for process in processes), seconds=60)
    finally:
        run.kill()
        run.wait(20)
