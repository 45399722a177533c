"""Encrypted values: AES-GCM round another serializer.

Sealed bytes hold a version, four bytes that name the key, a random nonce of twelve, and the
ciphertext with its tag; version and name of the key are authenticated too.  A random nonce is good
for 2**32 values under one key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

from .errors import (
    DeserializationError,
    EncryptionUnavailableError,
    InvalidKeyError,
    WrongKeyError,
)
from .sealing import envelope, payload_of
from .serde import MsgpackSerializer, Serializer

KEY_VARIABLES = ("UNDERSTUDY_AES_KEY", "LANGGRAPH_AES_KEY")
"""Environment variables that may hold the key, 16, 24 or 32 bytes; the first that is set counts."""

_VERSION = b"\x01"
_HEAD = 5
_NONCE = 12
_SIZES = (16, 24, 32)


class EncryptedSerializer:
    """Encrypts what another serializer makes of values, with AES-GCM.

    `key`: 16, 24 or 32 bytes; by default those of the environment variable UNDERSTUDY_AES_KEY, or
    of LANGGRAPH_AES_KEY.  `serializer`: a MsgpackSerializer, unless given.  Values that were stored
    before anything was encrypted can still be read::

        saver = SqliteSaver("threads.db", serializer=EncryptedSerializer(key))

    Thread ids, namespaces, node, channel and task names, run ids, steps and times stay readable.
    Raises InvalidKeyError, and EncryptionUnavailableError unless `cryptography` is installed.
    """

    def __init__(self, key: bytes | None = None, serializer: Serializer | None = None) -> None:
        key = _checked(_from_environment() if key is None else key)
        self._cipher, self._refused = _cipher(key)
        self._head = _VERSION + _name(key)
        self._plain = serializer or MsgpackSerializer()

    @classmethod
    def from_pycryptodome_aes(
        cls, serde: Serializer | None = None, *, key: bytes | None = None
    ) -> Self:
        """The same under the name it has in LangGraph; encrypts with `cryptography`."""
        return cls(key, serde)

    @property
    def plain(self) -> Serializer:
        """The serializer whose bytes are encrypted."""
        return self._plain

    def seal(self, data: bytes) -> bytes:
        """Encoded values, encrypted; different bytes each time."""
        nonce = os.urandom(_NONCE)
        return envelope(self._head + nonce + self._cipher.encrypt(nonce, data, self._head))

    def unseal(self, data: bytes) -> bytes:
        """Encoded values again; bytes that are not encrypted as they are.

        Raises WrongKeyError, or DeserializationError for bytes that were changed.
        """
        payload = payload_of(data)
        if payload is None:
            return data
        if payload[:_HEAD] != self._head:
            raise self._unknown(payload)
        nonce = payload[_HEAD : _HEAD + _NONCE]
        try:
            return self._cipher.decrypt(nonce, payload[_HEAD + _NONCE :], self._head)
        except (self._refused, ValueError) as error:
            raise DeserializationError(
                f"{len(data)} encrypted bytes do not match their tag: they were damaged or "
                "changed; restore them from a backup"
            ) from error

    def dumps(self, value: Any) -> bytes:
        """The encrypted bytes of a value.  Raises SerializationError."""
        return self.seal(self._plain.dumps(value))

    def loads(self, data: bytes) -> Any:
        """The value of the bytes.  Raises WrongKeyError or DeserializationError."""
        return self._plain.loads(self.unseal(data))

    def pack_items(self, values: Sequence[Any]) -> list[bytes]:
        """The encrypted bytes of each value on its own."""
        return [self.seal(item) for item in self._plain.pack_items(values)]

    def unpack_items(self, data: bytes) -> list[Any]:
        """The values of items that stand one after the other; errors as `loads`."""
        return self._plain.unpack_items(self._opened(data))

    def split_items(self, data: bytes) -> list[bytes]:
        """The bytes of each item of those that stand one after the other, decrypted."""
        return self._plain.split_items(self._opened(data))

    def _opened(self, data: bytes) -> bytes:
        """Items one after the other; they were encrypted one by one, or many at once."""
        return b"".join(map(self.unseal, self._plain.split_items(data)))

    def _unknown(self, payload: bytes) -> DeserializationError:
        if payload[:1] != _VERSION:
            return DeserializationError(
                f"encrypted bytes of version {payload[:1]!r} cannot be read: they are damaged, or "
                "a newer version wrote them; upgrade understudy"
            )
        return WrongKeyError(
            f"the bytes were encrypted with key {payload[1:_HEAD].hex()}, and the one given is "
            f"{self._head[1:].hex()} (names, not keys); nothing was changed; give the key they "
            "need"
        )


def _from_environment() -> bytes:
    for name in KEY_VARIABLES:
        if (text := os.environ.get(name)) is not None:
            return text.encode("utf-8", "surrogateescape")
    raise InvalidKeyError(
        f"there is no key: none was given, and neither {' nor '.join(KEY_VARIABLES)} is set; give "
        "16, 24 or 32 bytes, such as os.urandom(32), and keep them"
    )


def _checked(key: Any) -> bytes:
    if not isinstance(key, bytes):
        raise InvalidKeyError(
            f"a {type(key).__name__} is no key; give 16, 24 or 32 bytes, such as os.urandom(32)"
        )
    if len(key) not in _SIZES:
        raise InvalidKeyError(
            f"a key of {len(key)} bytes cannot be used with AES; give 16, 24 or 32, such as "
            "os.urandom(32)"
        )
    return key


def _name(key: bytes) -> bytes:
    """Four bytes that tell keys apart and nothing of the key."""
    import hmac  # and with it OpenSSL: 5 ms, for who encrypts only

    return hmac.digest(key, b"understudy: name of the key", "sha256")[:4]


def _cipher(key: bytes) -> tuple[Any, type[Exception]]:
    """The cipher, and what it raises for bytes that it did not make."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise EncryptionUnavailableError(
            "values cannot be encrypted: the package cryptography is not installed; run "
            "pip install 'understudy[encryption]'"
        ) from error
    return AESGCM(key), InvalidTag
