"""Secrets at rest: encrypted under a master key, which is a file that only its owner may read."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
"""NIST SP 800-38D section 8.2.2: random nonces of 96 bits."""


class VaultError(Exception):
    """The master key cannot be used. The message is for the person who runs the service; it holds no secret."""


class Vault:
    """Seals and opens secrets (AES-256-GCM). Each is bound to the SID it belongs to: moved to another row, it does not open."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)

    def seal(self, sid: str, secret: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), sid.encode())).decode()

    def open(self, sid: str, sealed: str) -> str:
        """Raises `VaultError` when the master key is another one than at sealing, or the text was altered."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], sid.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise VaultError(f"the secret of {sid} does not open with this master key") from error


def load_master_key(path: Path) -> bytes:
    """
    Read the master key, or make it at the first start (mode 0600).

    Raises `VaultError` when others may read the file, or when it holds no key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return _make_master_key(path)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise VaultError(
                f"{path} has mode {mode:04o}, so that others may read the master key: run  chmod 600 {path}"
            )
        text = file.read(1024).strip()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise VaultError(f"{path} holds no master key") from error
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path} holds no master key of {KEY_BYTES} bytes")
    return key


def _make_master_key(path: Path) -> bytes:
    """Written whole under another name first: a crash, or a second process that starts now, never sees half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return load_master_key(path)
    finally:
        draft.unlink()
    return key
