# SPDX-License-Identifier: Apache-2.0
"""Servers above and below: taking one in below this one, vouching for the one above.

What lives here: the statements of a tier and their rows. What must not: tickets (``enrolment.py``),
the exchange. Invariants
- The upstream certifies the server below with its area; the server below vouches for the one above
  it to its own tablets and servers, who know no other key.
- A server below is a device with the role ``server``: revocation and contact are those of devices.
"""

from __future__ import annotations

from crypto.certificate import Certificate, issue_certificate
from crypto.identity import DeviceKey, replica_of
from server.devices import ACTIVE, add_key
from server.store.base import Transaction
from server.trust import SERVER, UPSTREAM, note_servers


def admit_server(
    tx: Transaction,
    key: DeviceKey,
    name: str,
    area: str,
    public: bytes,
    box_public: bytes,
    now_ms: int,
) -> tuple[str, bytes]:
    """Take a server in below this one: its device id and its certificate.

    ``area`` is a division code, empty for everything. The district is to be reloaded afterwards.
    Raises what ``issue_certificate`` raises.
    """
    replica = replica_of(public)
    certificate = _certificate(tx, key, name, area, public, box_public, SERVER, now_ms)
    tx.run(
        "INSERT INTO devices (id, name, team, state, enrolled_at_ms, box_public, role, area)"
        " VALUES (?, ?, '', ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, area = excluded.area,"
        " box_public = excluded.box_public, role = excluded.role",
        [replica.hex(), name, ACTIVE, now_ms, box_public, SERVER, area],
    )
    add_key(tx, replica, replica.hex(), public, certificate, None, now_ms)
    note_servers(tx)
    return replica.hex(), certificate


def vouch(
    tx: Transaction,
    key: DeviceKey,
    name: str,
    area: str,
    public: bytes,
    box_public: bytes,
    now_ms: int,
) -> bytes:
    """Say to those below that this server is above: the statement, which is to be learned."""
    return _certificate(tx, key, name, area, public, box_public, UPSTREAM, now_ms)


def _certificate(
    tx: Transaction,
    key: DeviceKey,
    name: str,
    area: str,
    public: bytes,
    box_public: bytes,
    role: str,
    now_ms: int,
) -> bytes:
    serial = int(tx.rows("SELECT count(*) FROM device_keys")[0][0]) + 1
    body = Certificate(
        replica=replica_of(public),
        public=public,
        box_public=box_public,
        name=name,
        area=area,
        serial=serial,
        issued_at_ms=now_ms,
        issuer=key.replica,
        role=UPSTREAM if role == UPSTREAM else SERVER,
    )
    return issue_certificate(key, body)


def servers_below(tx: Transaction) -> list[tuple[str, str, str, str, int, int | None]]:
    """Servers this one certified: id, name, area, state, enrolled and last heard of (ms)."""
    found = tx.rows(
        "SELECT id, name, area, state, enrolled_at_ms, last_contact_ms FROM devices"
        " WHERE role = ? ORDER BY area, id",
        [SERVER],
    )
    return [(str(r[0]), str(r[1]), str(r[2]), str(r[3]), int(r[4]), r[5]) for r in found]
