"""A file that is read again when an operator changes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.chassis.process import watched_file
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.watched_file import WatchedFile, is_open


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watched_file, "LOOK_AGAIN_SECONDS", 0.0)
    return write(tmp_path / "numbers.txt", "1\n2")


def write(path: Path, text: str) -> Path:
    """Put the text there in one step, as operators should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
    return path


def numbers(text: str) -> list[int]:
    return [int(line) for line in text.splitlines()]


def watched(path: Path, removed: list[int] | None = None) -> WatchedFile[list[int]]:
    return WatchedFile(path, name="numbers", setting="MANDAAT_NUMBERS", parse=numbers, when_removed=removed)


def test_a_changed_file_is_read_again(path: Path) -> None:
    file = watched(path)
    assert file.get() == [1, 2]
    write(path, "3\n4")
    assert file.get() == [3, 4]


def test_a_mistake_leaves_the_former_content_and_is_logged_once(path: Path) -> None:
    file = watched(path)
    write(path, "3\nfour")
    with capture_logs() as logs:
        assert file.get() == file.get() == [1, 2]
    assert [one["event"] for one in logs] == ["numbers_not_read_again"]
    write(path, "5")
    assert file.get() == [5]


@pytest.mark.parametrize(("removed", "left"), [(None, [1, 2]), ([], [])])
def test_a_removed_file_is_a_mistake_unless_it_has_a_meaning(
    path: Path, removed: list[int] | None, left: list[int]
) -> None:
    file = watched(path, removed)
    path.unlink()
    assert file.get() == left
    write(path, "6")
    assert file.get() == [6]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Path.unlink, "No such file"),
        (lambda path: write(path, "x"), "invalid literal"),
        (lambda path: path.write_bytes(b"\xff"), "utf-8"),
        (lambda path: path.chmod(0o620), "others can write it; run chmod 600"),
    ],
)
def test_a_mistake_at_start_names_the_setting_and_the_file(
    path: Path, change: Callable[[Path], object], problem: str
) -> None:
    change(path)
    with pytest.raises(ConfigurationError, match=r"MANDAAT_NUMBERS .*numbers\.txt: ") as refusal:
        watched(path)
    assert problem in str(refusal.value)


def test_a_file_that_others_could_write_later_is_not_read_again(path: Path) -> None:
    file = watched(path)
    path.write_text("3")
    path.chmod(0o602)
    assert file.get() == [1, 2]
    path.chmod(0o600)
    assert file.get() == [3]


def test_a_file_with_secrets_may_be_read_by_our_group_only_if_it_is_of_another_user() -> None:
    assert not is_open(0o440, ours=False, holds_secrets=True)
    assert not is_open(0o400, ours=True, holds_secrets=True)
    assert all(is_open(mode, ours=False, holds_secrets=True) for mode in (0o444, 0o460, 0o442))
    assert is_open(0o440, ours=True, holds_secrets=True)
    assert not is_open(0o644, ours=True, holds_secrets=False)


def test_a_file_that_could_not_be_opened_is_read_as_soon_as_it_can_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = watched(path)
    write(path, "2")

    def no_descriptor_left(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as full, capture_logs() as logs:
        full.setattr(Path, "open", no_descriptor_left)
        assert file.get() == file.get() == [1, 2]
    assert [one["event"] for one in logs] == ["numbers_not_read_again"]
    assert file.get() == [2]
