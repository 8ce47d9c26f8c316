# SPDX-License-Identifier: Apache-2.0
"""The exchange by hand, at the server: a bundle is taken in, and its answer made.

What lives here: opening bundles, handing what is in them to the exchange, sealing the answer, the
line of bundles of each peer. What must not: sticks (``carry``), a second write path. Invariants
- Nothing of a bundle is applied before all of it was checked.
- What a bundle brings goes through the same exchange as an upload; of a revoked device into
  quarantine, and its answer holds its wipe order.
- The line lies beside the store: a store that is set back still knows what it took. It is written
  after the commit: a bundle is taken twice rather than never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from crypto.bundle import FIRST_BEFORE, BundleHead, make_bundle, open_bundle, read_head
from crypto.certificate import check_succession
from crypto.errors import BundleOldKey, RequestRefused, SealRefused
from server import devices
from server.devices import old_replica_of
from server.district import District
from server.errors import DeviceRevoked, DeviceUnknown
from server.recovery import recover
from server.statements import revocations as revocations_told
from server.store.base import Transaction
from sync.carry.stick import write_atomically
from sync.messages import WANT_STATES, Reply, Request, decode_request, encode, encode_exchange
from sync.parcel import (
    REPLIES_MAX,
    TAKEN_MAX,
    Answer,
    Parcel,
    Taken,
    decode_parcel,
    parcel,
    place_of,
    remember,
)
from sync.session import HELD_MASK, held_sum

REPLIES_BYTES_MAX = 32 * 1024 * 1024
"""All replies of one bundle: half of what it may hold."""
CERTIFICATES_MAX = 200
"""Certificates of one bundle: a team and its keys; 1.4 KB each."""
REVOCATIONS_MAX = 1_000
"""Revocations of one bundle: more lost tablets than a district has."""
FOLDER = "bundles"
_lines = msgspec.msgpack.Decoder(list[Taken])


class TakenBundle(NamedTuple):
    """What became of a bundle, and the answer to carry back.

    ``missing`` are numbers before it that did not arrive ((0, 0): none), ``branch``: it comes from
    a copy of its sender or one that was set back. ``outboxes``: changes taken from sealed outboxes.
    ``old_key``: nothing was taken, since the key it was sealed to is too old; the answer tells the
    present one.
    """

    sender: bytes
    device: str
    name: str
    sequence: int
    missing: tuple[int, int]
    branch: bool
    revoked: bool
    segments: int
    outboxes: int
    answer_sequence: int
    answer: bytes
    old_key: bool = False


class Lines:
    """The lines of bundles taken and made, one small file for each peer and way."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.incoming = self.folder / "incoming"
        self.outgoing = self.folder / "outgoing"

    def _path(self, way: str, peer: bytes) -> Path:
        return self.folder / f"{way}-{peer.hex()}"

    def line(self, way: str, peer: bytes) -> list[Taken]:
        """The line ``in`` or ``out`` of a peer, oldest first."""
        path = self._path(way, peer)
        return _lines.decode(path.read_bytes()) if path.is_file() else []

    def keep(self, way: str, peer: bytes, line: Sequence[Taken]) -> None:
        """Store a line."""
        write_atomically(self._path(way, peer), encode(list(line)[-TAKEN_MAX:]))

    def answer(self, peer: bytes) -> bytes | None:
        """The last answer made for a peer, None for none."""
        path = self._path("answer", peer)
        return path.read_bytes() if path.is_file() else None

    def keep_answer(self, peer: bytes, data: bytes) -> None:
        """Keep the last answer for a peer: the stick that carries it may get lost."""
        write_atomically(self._path("answer", peer), data)


def make(
    district: District, lines: Lines, receiver: bytes, box_public: bytes, contents: Parcel
) -> tuple[int, bytes]:
    """Number, seal and sign contents for any peer; the bundle's number and bytes."""
    # Under another root the line begins anew: whoever takes it knows no number of it yet.
    way = f"out.{district.key.replica.hex()}" if district.roots.words else "out"
    line = lines.line(way, receiver)
    last = line[-1] if line else Taken(0, FIRST_BEFORE, b"")
    earlier = [made.name for made in reversed(line)]
    whole = encode(msgspec.structs.replace(contents, earlier=earlier))
    number = last.sequence + 1
    data = make_bundle(district.key, receiver, box_public, number, last.name, whole)
    # Stored before it is handed out: a number is never given twice.
    lines.keep(way, receiver, [*line, Taken(number, read_head(data).name, last.name)])
    return number, data


class Read(NamedTuple):
    """A bundle that held, before anything of it was done."""

    head: BundleHead
    contents: Parcel
    missing: tuple[int, int]
    branch: bool


def read(
    district: District,
    lines: Lines,
    data: bytes,
    public_for: Callable[[bytes, bytes], bytes],
) -> Read:
    """Check a bundle of any peer: seal, signature, place in its line.

    Raises what ``crypto.bundle`` raises, BundleRepeated, BundleLate, MessageMalformed, and what
    ``public_for(sender, contents)`` raises.
    """
    boxes = district.boxes.in_grace(district.clock())
    opened = open_bundle(data, district.roots.replicas, boxes, public_for)
    head, contents = opened.head, decode_parcel(opened.contents)
    place = place_of(lines.line("in", head.sender), head.sequence, head.name, head.before)
    return Read(head, contents, place.missing, place.branch)


def keep_taken(lines: Lines, found: Read) -> None:
    """Remember that a bundle was taken."""
    head = found.head
    one = Taken(head.sequence, head.name, head.before)
    line = remember(lines.line("in", head.sender), one, found.contents.earlier)
    lines.keep("in", head.sender, line)


def take_bundle(district: District, lines: Lines, data: bytes) -> TakenBundle:
    """Take in a tablet's bundle and make the answer.

    Raises what ``read`` and the exchange raise; nothing was applied then.
    """
    try:
        with district.store.read() as tx:
            found = read(district, lines, data, _public_for(district, tx))
    except BundleOldKey:
        return _told_of_key(district, lines, read_head(data))
    head, contents = found.head, found.contents
    request = decode_request(contents.request) if contents.request else None
    if request is not None and request.replica != head.sender:
        raise RequestRefused("another replica signed")
    _take_successions(district, contents.statements)
    device = district.device_of(head.sender)
    with district.store.read() as tx:
        name, box_public, state = tx.rows(
            "SELECT name, box_public, state FROM devices WHERE id = ?", [device]
        )[0]
    revoked = state == devices.REVOKED
    answers = _answers(district, device, request, revoked) if request else []
    outboxes = sum(_recovered(district, one) for one in contents.outboxes)
    keep_taken(lines, found)
    answer = _answer(district, device, head, answers, revoked)
    number, made = make(district, lines, head.sender, bytes(box_public), answer)
    return TakenBundle(
        head.sender,
        device,
        name,
        head.sequence,
        found.missing,
        found.branch,
        revoked,
        len(request.segments) + len(request.partials) if request else 0,
        outboxes,
        number,
        made,
    )


def _told_of_key(district: District, lines: Lines, head: BundleHead) -> TakenBundle:
    """A bundle sealed to a key that is no longer opened: nothing of it is taken, and its sender is
    told the present key, so that its next one opens. Raises BundleOldKey for a stranger's."""
    word, _ = district.boxes.word(district.key)
    found = district.devices.get(head.sender)
    if found is None or not word:
        raise BundleOldKey()
    with district.store.read() as tx:
        name, box_public = tx.rows("SELECT name, box_public FROM devices WHERE id = ?", [found[0]])[
            0
        ]
    told = msgspec.structs.replace(
        parcel(district.clock()), statements=[*district.roots.words, word]
    )
    number, made = make(district, lines, head.sender, bytes(box_public), told)
    return TakenBundle(
        head.sender,
        found[0],
        name,
        head.sequence,
        (0, 0),
        False,
        False,
        0,
        0,
        number,
        made,
        old_key=True,
    )


def _public_for(district: District, tx: Transaction) -> Callable[[bytes, bytes], bytes]:
    """The key of a sender: of a tablet known here, or of one that its successions lead to."""

    def public_for(sender: bytes, contents: bytes) -> bytes:
        known = {replica: public for replica, (_, public) in district.devices.items()}
        if sender not in known:
            for statement in decode_parcel(contents).statements:
                old = known.get(old_replica_of(statement))
                if old is not None:
                    said = check_succession(statement, old)
                    known[said.new_replica] = said.new_public
        if sender not in known:
            raise DeviceUnknown(sender.hex())
        return known[sender]

    return public_for


def _take_successions(district: District, statements: Sequence[bytes]) -> None:
    """Keys by which tablets go on, before anything signed with them is looked at."""
    if not statements:
        return
    for statement in statements:
        try:
            with district.store.write() as tx:
                devices.succeed(tx, district.key, statement, district.clock())
        except (DeviceUnknown, DeviceRevoked):
            # Of a tablet that was enrolled after this server's backup, or of a revoked one.
            continue
    district.reload()


def _answers(district: District, device: str, request: Request, revoked: bool) -> list[Answer]:
    """The replies to a request and to those that would follow it: one stick brings a download."""
    if revoked:
        request = msgspec.structs.replace(
            request, want=0, held=0, digest=0, homes=None, handed=[], ask=[], repair=[]
        )
    out: list[Answer] = []
    size = 0
    while True:
        reply = district.sync(device, request)
        encoded = encode_exchange(reply)
        cursor = (request.incarnation, request.seq, request.after)
        out.append(Answer(*cursor, request.held, encoded))
        size += len(encoded)
        ends = not reply.more or reply.wanted or not request.want & WANT_STATES
        if ends or len(out) >= REPLIES_MAX or size > REPLIES_BYTES_MAX:
            return out
        request = _following(request, reply)


def _following(request: Request, reply: Reply) -> Request:
    """What the tablet would ask after this reply, if it takes it in as it is."""
    held = request.held + held_sum(reply.entered) - held_sum(reply.left)
    return msgspec.structs.replace(
        request,
        incarnation=reply.incarnation,
        seq=reply.seq,
        after=reply.after,
        held=held & HELD_MASK,
        homes=None,
        segments=[],
        partials=[],
        handed=[],
        ask=[],
        repair=[],
    )


def _recovered(district: District, data: bytes) -> int:
    """Changes taken from one carried outbox; one that is not ours is left out."""
    try:
        return recover(district, data).changes
    except SealRefused:
        return 0


def _answer(
    district: District, device: str, head: BundleHead, answers: list[Answer], revoked: bool
) -> Parcel:
    """The contents of the bundle that goes back: replies, keys, certificates, revocations."""
    word, _ = district.boxes.word(district.key)
    with district.store.read() as tx:
        wipe = b""
        if revoked:
            found = tx.rows("SELECT revocation FROM devices WHERE id = ?", [device])
            wipe = bytes(found[0][0] or b"")
        certificates = [] if revoked else team_certificates(tx, device)
        revocations = [] if revoked else revocations_told(tx, district.key, 0, REVOCATIONS_MAX)
    return msgspec.structs.replace(
        parcel(district.clock()),
        answers=head.name,
        replies=answers,
        statements=[*district.roots.words, *([word] if word else []), *certificates],
        revocations=revocations,
        wipe=wipe,
    )


def team_certificates(tx: Transaction, device: str) -> list[bytes]:
    """The certificates of a tablet's own keys and of its team's tablets, so that they can write to
    one another without having met."""
    found = tx.rows(
        "SELECT k.certificate FROM device_keys k JOIN devices d ON d.id = k.device"
        " WHERE d.state <> 'revoked' AND d.team = (SELECT team FROM devices WHERE id = ?)"
        " ORDER BY d.id = ? DESC, k.since_ms DESC LIMIT ?",
        [device, device, CERTIFICATES_MAX],
    )
    return [bytes(row[0]) for row in found]
