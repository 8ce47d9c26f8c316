# SPDX-License-Identifier: Apache-2.0
"""What a tablet does without being opened: hand its sealed outbox over, by line or by stick.

What lives here: the address of the district beside the store, upload and copying of sealed files.
What must not: keys, the store. Invariants: nothing is removed here, only receipts do that; what is
handed over is sealed to the district, so that whoever answers can read nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from client_sdk.errors import NotEnrolled
from client_sdk.http_transport import Connection, good
from client_sdk.outbox import carried_files, sealed_files
from sync.carry.files import write_durably
from sync.carry.line import BINARY, numbers_in
from sync.carry.stick import write_outbox
from sync.decoding import MALFORMED

DISTRICT_FILE = "district"
"""Addresses and pin of the district, in the clear: they stand in every ticket too."""


class Beside(msgspec.Struct, array_like=True, frozen=True):
    """Where the district answers: addresses (``host:port``) and the pin of its TLS key."""

    addresses: list[str]
    pin: bytes


class HandedOver(NamedTuple):
    """Files of an outbox that were sent, the changes in them that were taken, those refused."""

    files: int
    changes: int
    refused: int


_beside = msgspec.msgpack.Decoder(Beside)


def keep_beside(directory: Path, addresses: Sequence[str], pin: bytes) -> None:
    """Keep where the district answers beside the store, if it changed."""
    data = msgspec.msgpack.encode(Beside(list(addresses), pin))
    path = directory / DISTRICT_FILE
    if not path.is_file() or path.read_bytes() != data:
        write_durably(path, data)


def read_beside(directory: Path) -> Beside:
    """Where the district of the tablet in a directory answers. Raises NotEnrolled."""
    try:
        return _beside.decode((directory / DISTRICT_FILE).read_bytes())
    except (*MALFORMED, OSError) as error:
        raise NotEnrolled("address of the district") from error


def upload_outbox(
    directory: Path, address: str = "", on_file: Callable[[int, int], None] | None = None
) -> HandedOver:
    """Send the sealed outbox of a tablet, and those it carries, without opening the tablet.

    ``address`` (``host:port``) where another than the known ones is to be tried first. All files
    stay. Raises NotEnrolled, Unreachable, PinMismatch, ServerRefused.
    """
    known = read_beside(directory)
    addresses = [address, *known.addresses] if address else known.addresses
    connection = Connection(addresses, known.pin or None)
    files = [*sealed_files(directory), *carried_files(directory)]
    changes = refused = 0
    try:
        for number, path in enumerate(files, 1):
            headers = {"content-type": BINARY}
            sent = connection.request("POST", "/v1/outbox", headers, path.read_bytes())
            _, taken, left = numbers_in(good(sent), 3)[:3]
            changes, refused = changes + taken, refused + left
            if on_file is not None:
                on_file(number, len(files))
    finally:
        connection.close()
    return HandedOver(len(files), changes, refused)


def export_outbox(directory: Path, stick: Path) -> int:
    """Copy the sealed outbox of a tablet, and those it carries, to a stick, without opening the
    tablet; how many files."""
    files = [*sealed_files(directory), *carried_files(directory)]
    for path in files:
        write_outbox(stick, path.name, path.read_bytes())
    return len(files)
