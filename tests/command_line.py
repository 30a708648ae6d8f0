"""What tests of the whole flow share: the shop's policy and staff, published once a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.local.stack import Stack
from tests.retail_cases import RETAIL


def publish_retail(stack: Stack) -> None:
    """Activate the retail policy and hire its staff, by the command line."""
    for what, file in (("policy", RETAIL / "policy.yaml"), ("staff", RETAIL / "staff.jsonl")):
        mandaat(stack, "publish", what, str(file))


def mandaat(stack: Stack, *arguments: str) -> str:
    """Run a command of `mandaat` against the stack and answer what it printed. Fails unless it exits 0."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mandaat"), *arguments],
        env={**stack.environment("intake")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
