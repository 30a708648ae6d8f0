"""The jars of Kafka are fetched once, and checked each time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.local.kafka import jars
from deploy.local.problems import StackError

CONTENT = b"a jar"
JAR = jars.Jar("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The coordinates that were fetched; each fetch returns CONTENT."""
    asked: list[str] = []

    def download(jar: jars.Jar) -> bytes:
        asked.append(jar.coordinates)
        return CONTENT

    monkeypatch.setattr(jars, "listed", lambda: [JAR])
    monkeypatch.setattr(jars, "_download", download)
    return asked


def test_all_jars_of_kafka_are_listed_with_checksums() -> None:
    listed = jars.listed()
    assert len({jar.file_name for jar in listed}) == len(listed) == 33
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in listed)


def test_a_cached_jar_is_not_fetched_again(tmp_path: Path, fetches: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        paths = jars.ensure(tmp_path, lambda done, total: seen.append((done, total)))
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert fetches == [JAR.coordinates]
    assert seen == [(0, 1), (1, 1), (1, 1)]


def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path: Path, fetches: list[str]) -> None:
    (tmp_path / JAR.file_name).write_bytes(b"damaged")
    jars.ensure(tmp_path)
    assert (tmp_path / JAR.file_name).read_bytes() == CONTENT
    assert fetches == [JAR.coordinates]


def test_a_jar_with_another_checksum_is_refused(
    tmp_path: Path, fetches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "listed", lambda: [jars.Jar(JAR.coordinates, "0" * 64)])
    with pytest.raises(StackError, match=r"org\.example:thing:1\.0: expected sha256"):
        jars.ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_fetch_is_repeated(
    tmp_path: Path, fetches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bytes | None] = [None, CONTENT]

    def second_time(_jar: jars.Jar) -> bytes:
        answer = answers.pop(0)
        if answer is None:
            raise ConnectionResetError
        return answer

    monkeypatch.setattr(jars, "_download", second_time)
    monkeypatch.setattr(jars, "PAUSE_SECONDS", 0)
    jars.ensure(tmp_path)
    assert (tmp_path / JAR.file_name).read_bytes() == CONTENT


def test_a_jar_that_cannot_be_fetched_is_named(
    tmp_path: Path, fetches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_jar: jars.Jar) -> bytes:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(jars, "_download", unreachable)
    monkeypatch.setattr(jars, "PAUSE_SECONDS", 0)
    with pytest.raises(StackError, match=r"cannot fetch org\.example:thing:1\.0 .*nobody there"):
        jars.ensure(tmp_path)
