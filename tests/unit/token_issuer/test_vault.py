"""Secrets at rest, and the file that opens them."""

import stat
from pathlib import Path

import pytest
from token_issuer.vault import Vault, VaultError, load_master_key


def test_what_was_sealed_opens_and_shows_nothing() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.seal("SK1", "hush")

    assert vault.open("SK1", sealed) == "hush"
    assert "hush" not in sealed
    assert vault.seal("SK1", "hush") != sealed


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "é"])
def test_what_was_not_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(VaultError):
        Vault(b"k" * 32).open("SK1", sealed)


def test_another_key_or_another_row_does_not_open() -> None:
    sealed = Vault(b"k" * 32).seal("SK1", "hush")

    with pytest.raises(VaultError):
        Vault(b"x" * 32).open("SK1", sealed)
    with pytest.raises(VaultError):
        Vault(b"k" * 32).open("SK2", sealed)


def test_the_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.key"
    made = load_master_key(path)

    assert len(made) == 32
    assert load_master_key(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    load_master_key(path)
    path.chmod(mode)

    with pytest.raises(VaultError, match="chmod 600"):
        load_master_key(path)


@pytest.mark.parametrize("text", ["", "AAAA", "???"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(VaultError, match="holds no master key"):
        load_master_key(path)
