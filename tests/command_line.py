"""The command line, run against a stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.local.stack import Stack
from tests.retail_cases import RETAIL


def publish_retail(stack: Stack) -> None:
    """Publish the retail policy and staff."""
    for what, file in (("policy", RETAIL / "policy.yaml"), ("staff", RETAIL / "staff.jsonl")):
        mandaat(stack, "publish", what, str(file))


def mandaat(stack: Stack, *arguments: str) -> str:
    """Run a command of `mandaat` against the stack and return its output. Fails unless it exits 0."""
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
