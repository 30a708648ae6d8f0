"""The jars of Kafka: listed with their sha256 in jars.txt, downloaded concurrently, checked at each start."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import StackError

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
"""Before the second attempt; twice as long before the third."""
CONCURRENT = 8
TIMEOUT_SECONDS = 60

Progress = Callable[[int, int], None]
"""Called with (jars that are there, all jars), in the thread of the caller."""


@dataclass(frozen=True)
class Jar:
    """One line of jars.txt: Maven coordinates `group:artifact:version` and the sha256 of the file, in hex."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """`artifact-version.jar`."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def listed() -> list[Jar]:
    """Every jar of jars.txt."""
    text = (Path(__file__).parent / "jars.txt").read_text(encoding="utf-8")
    return [Jar(*line.split()) for line in text.splitlines() if line and not line.startswith("#")]


def ensure(folder: Path, progress: Progress | None = None) -> list[Path]:
    """Downloads every listed jar into `folder`, unless it is there, and returns their paths.

    A jar with another sha256 than jars.txt is downloaded again. Raises StackError with the coordinates of a
    jar that cannot be downloaded, or that still has another sha256.
    """
    jars = listed()
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not _is_there(folder / jar.file_name, jar)]
    report = progress or (lambda *_: None)
    report(len(jars) - len(missing), len(jars))
    give_up = threading.Event()
    with ThreadPoolExecutor(CONCURRENT) as pool:
        fetches = [pool.submit(_fetch, jar, folder, give_up) for jar in missing]
        try:
            for count, fetch in enumerate(as_completed(fetches), start=1):
                fetch.result()
                report(len(jars) - len(missing) + count, len(jars))
        finally:
            give_up.set()
    return [folder / jar.file_name for jar in jars]


def _is_there(path: Path, jar: Jar) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def _fetch(jar: Jar, folder: Path, give_up: threading.Event) -> None:
    from maven_artifact.requestor import RequestException
    from requests import RequestException as HttpProblem

    problem: Exception | None = None
    for attempt in range(ATTEMPTS):
        if give_up.wait(attempt * PAUSE_SECONDS):
            return
        try:
            content = _download(jar)
        except (RequestException, HttpProblem, OSError) as error:
            problem = error
            continue
        _keep(content, jar, folder)
        return
    raise StackError(
        f"cannot fetch {jar.coordinates} ({ATTEMPTS} attempts): {_first_line(problem)}"
    ) from problem


def _download(jar: Jar) -> bytes:
    """The bytes of a jar, from the default repository of maven-artifact, in a session of its own."""
    from maven_artifact.artifact import Artifact
    from maven_artifact.downloader import Downloader

    downloader = Downloader()
    address = downloader.resolver.uri_for_artifact(Artifact.parse(jar.coordinates))
    response = downloader.requestor.request(address, None, timeout=TIMEOUT_SECONDS, verify=_trusted())
    return bytes(response.content)


def _trusted() -> str | bool:
    """The certificate authorities of this machine, among which may be that of a company's proxy.

    By default requests uses only its bundled ones, unless REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file.
    """
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or ssl.get_default_verify_paths().cafile or True


def _keep(content: bytes, jar: Jar, folder: Path) -> None:
    """Writes the jar by an atomic rename, so that a half-written one is never seen under its name."""
    found = hashlib.sha256(content).hexdigest()
    if found != jar.sha256:
        raise StackError(f"{jar.coordinates}: expected sha256 {jar.sha256}, got {found}")
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".fetching-", delete=False) as part:
        part.write(content)
    Path(part.name).replace(folder / jar.file_name)


def _first_line(problem: Exception | None) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:300]
