"""Ports and folders of the local stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.problems import StackError
from deploy.local.settings import Ports, cache_dir, free_ports, setting_of


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MANDAAT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MANDAAT_STATE_DIR", str(tmp_path / "state"))


def test_each_part_has_its_own_port() -> None:
    for ports in (Ports(), free_ports()):
        numbers = list(ports.model_dump().values())
        assert len(set(numbers)) == len(numbers)


def test_each_port_can_be_changed_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting_of("kafka_port"), "29092")
    assert Ports().kafka_port == 29092


def test_downloads_are_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "mandaat"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "mandaat"
    monkeypatch.setenv("MANDAAT_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


@pytest.mark.parametrize("home", [None, "", "/proc/nobody"])
def test_without_a_writable_home_downloads_go_to_the_state_directory(
    home: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert cache_dir() == tmp_path / "state" / "cache"


def test_a_chosen_cache_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANDAAT_CACHE_DIR", os.devnull)
    with pytest.raises(StackError, match="MANDAAT_CACHE_DIR"):
        cache_dir()
