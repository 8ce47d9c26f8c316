# SPDX-License-Identifier: Apache-2.0
"""Values that only a group of readers may read, wherever they are stored, merged and passed on.

Lives here: the key of a group, sealing one value at its place, opening it there, the derivation of
a group's keys from a server's secret, and wrapping keys for one reader. Must not live here: which
groups there are, who belongs to them, what a value says.

Invariants
- A value opens only at its place: record, field, and the change (replica and counter) that set it.
- Of two values of one field of one record, sealed with one key, anybody can tell whether they are
  equal, and nobody without the key anything else: not what they are, nor whether the same stands
  elsewhere. The mark by which that is told is keyed, so that few possible values cannot be tried.
- The length says no more than how many blocks of PAD_BYTES a value fills.

Formats, byte by byte, are in README.md.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.algorithms import FIELD_AES_256_GCM_SIV, prefix
from crypto.decoding import MALFORMED
from crypto.errors import KeyRefused, SealRefused
from crypto.seal import BoxKey, open_sealed, seal

FIELD_KEY_BYTES: Final = 32
FIELD_KEY_ID_BYTES: Final = 8
EQUAL_BYTES: Final = 16  # two different values share a mark once in 2**64 pairs
PAD_BYTES: Final = 32  # a name, a number, a short list of illnesses: all look alike
VALUE_BYTES_MAX: Final = 8 * 1024 - 4  # 2,000 characters of four bytes; sealed, still one text
HEAD_BYTES: Final = 1 + FIELD_KEY_ID_BYTES + EQUAL_BYTES
KEYS_WRAPPED_MAX: Final = 192  # one statement of 8 KiB

_ID: Final = bytes((FIELD_AES_256_GCM_SIV,))
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 2
_NONCE_BYTES: Final = 12
_INFO: Final = b"field-keys/1"
_keys_of = msgspec.msgpack.Decoder(tuple[bytes, ...])


class Place(NamedTuple):
    """Where a value stands: its record and field, and the change that set it."""

    record: str
    field: str
    replica: bytes
    counter: int


class FieldKey:
    """The key of one group of readers in one epoch. Its repr shows its id, never itself."""

    __slots__ = ("_aead", "_equal", "_secret", "id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != FIELD_KEY_BYTES:
            raise KeyRefused("length")
        self._secret = bytes(secret)
        self._aead = AESGCMSIV(_derived(self._secret, b"field-value"))
        self._equal = _derived(self._secret, b"field-equal")
        self.id: bytes = key_id(self._secret)

    @property
    def secret(self) -> bytes:
        """The 32 bytes; they belong in an encrypted store and nowhere else."""
        return self._secret

    def seal(self, place: Place, value: bytes) -> bytes:
        """Seal a value of at most VALUE_BYTES_MAX at its place. Raises SealRefused."""
        if len(value) > VALUE_BYTES_MAX:
            raise SealRefused("value too large")
        whole = _LENGTH_BYTES + len(value)
        padded = len(value).to_bytes(_LENGTH_BYTES, "big") + value + bytes(-whole % PAD_BYTES)
        head = _ID + self.id + self._mark(place, padded)
        bound = _bound(place, head)
        return head + self._aead.encrypt(_nonce(bound), padded, bound)

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Open what ``seal`` made with this key for this place. Raises SealRefused."""
        least = HEAD_BYTES + PAD_BYTES + _TAG_BYTES
        if len(sealed) < least or (len(sealed) - least) % PAD_BYTES:
            raise SealRefused("length")
        if sealed[: 1 + FIELD_KEY_ID_BYTES] != _ID + self.id:
            raise SealRefused("another key")
        head = sealed[:HEAD_BYTES]
        bound = _bound(place, head)
        try:
            padded = self._aead.decrypt(_nonce(bound), sealed[HEAD_BYTES:], bound)
        except InvalidTag:
            raise SealRefused("altered, or at another place") from None
        # A reader of the group can write any mark: a false one would hide a conflict.
        if not hmac.compare_digest(self._mark(place, padded), head[1 + FIELD_KEY_ID_BYTES :]):
            raise SealRefused("its mark is another value's")
        end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
        if end > len(padded) or any(padded[end:]) or len(padded) - end >= PAD_BYTES:
            raise SealRefused("padding")
        return padded[_LENGTH_BYTES:end]

    def _mark(self, place: Place, padded: bytes) -> bytes:
        where = msgspec.msgpack.encode((place.record, place.field))
        return hmac.digest(self._equal, prefix(b"field-equal") + where + padded, "sha256")[
            :EQUAL_BYTES
        ]

    def __repr__(self) -> str:
        return f"FieldKey({self.id.hex()})"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a field key is never pickled or copied")


def key_id(secret: bytes) -> bytes:
    """The name of a key, 8 bytes; it commits to the key, so that no other is taken for it."""
    return hashlib.sha256(prefix(b"field-key-id") + secret).digest()[:FIELD_KEY_ID_BYTES]


def key_id_of(sealed: bytes) -> bytes:
    """With which key a value is sealed. Raises SealRefused for what is no sealed value."""
    if sealed[:1] != _ID or len(sealed) < HEAD_BYTES + PAD_BYTES + _TAG_BYTES:
        raise SealRefused("algorithm")
    return sealed[1 : 1 + FIELD_KEY_ID_BYTES]


def field_secret(box: BoxKey) -> bytes:
    """The secret from which a server's groups have their keys: of its first box key, which is
    never removed and lies apart from the record."""
    return _derived(box.private, b"field-secret")


def group_key(secret: bytes, group: str, readers: str, epoch: int) -> FieldKey:
    """A group's key in an epoch, from a server's secret: it need not be stored anywhere.

    ``group`` is a team, ``readers`` the class of readers; epochs count from 1.
    """
    which = msgspec.msgpack.encode((group, readers, epoch))
    return FieldKey(_derived(secret, b"field-group", which))


def wrap_keys(box_public: bytes, keys: Sequence[FieldKey]) -> bytes:
    """Wrap keys for the owner of a box key: 34 bytes each and 1,139 more.

    Nothing is signed: a key is taken only where a signed ring names its id. Raises KeyRefused,
    SealRefused for more than KEYS_WRAPPED_MAX.
    """
    if len(keys) > KEYS_WRAPPED_MAX:
        raise SealRefused("too many keys")
    return seal(box_public, _INFO, msgspec.msgpack.encode([key.secret for key in keys]))


def unwrap_keys(box: BoxKey, wrapped: bytes, named: Iterable[bytes]) -> list[FieldKey]:
    """The keys that were wrapped for this box key, those whose ids are named. Raises
    SealRefused."""
    known = set(named)
    try:
        secrets = _keys_of.decode(open_sealed(box, _INFO, wrapped))
    except MALFORMED:
        raise SealRefused("no keys") from None
    if len(secrets) > KEYS_WRAPPED_MAX or any(len(s) != FIELD_KEY_BYTES for s in secrets):
        raise SealRefused("no keys")
    return [FieldKey(secret) for secret in secrets if key_id(secret) in known]


def _derived(secret: bytes, purpose: bytes, which: bytes = b"") -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=prefix(purpose) + which)
    return kdf.derive(secret)


def _bound(place: Place, head: bytes) -> bytes:
    return prefix(b"field-value") + msgspec.msgpack.encode(place) + head


def _nonce(bound: bytes) -> bytes:
    # Another one for each place and value; should two ever be one, AES-GCM-SIV shows no more than
    # that the values are equal, which the mark shows anyway.
    return hashlib.sha256(bound).digest()[:_NONCE_BYTES]
