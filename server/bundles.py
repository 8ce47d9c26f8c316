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
from crypto.errors import BundleOldKey, RequestRefused, SealRefused
from server import devices
from server.bundle_keys import public_for, take_successions
from server.district import District
from server.errors import DeviceRevoked
from server.recovery import recover
from server.statements import revocations as revocations_told
from server.store.base import Transaction
from server.tier_bundles import (
    answers_below,
    for_upstream,
    keep_question,
    public_above,
    take_answer,
)
from server.trust import TABLET
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
    ``above``: it is an answer of the upstream, to which none goes back; ``records`` changed by it,
    and ``more``: there is more to be sent. ``old_key``: nothing was taken, since the key it was
    sealed to is too old; the answer tells the present one.
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
    answer_sequence: int = 0
    answer: bytes = b""
    old_key: bool = False
    above: bool = False
    records: int = 0
    more: bool = False


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
            found = read(district, lines, data, public_for(district, tx))
    except BundleOldKey:
        return _told_of_key(district, lines, read_head(data))
    head, contents = found.head, found.contents
    if _is_upstream(district, head.sender, contents):
        records, more = take_answer(district, lines, contents)
        keep_taken(lines, found)
        return _from_above(found, records, more)
    request = decode_request(contents.request) if contents.request else None
    take_successions(district, contents.statements)
    device = district.device_of(head.sender)
    if request is not None and request.replica != head.sender:
        # A server signs with its root, and writes under a key that may be another.
        key = district.trust.keys.get(request.replica)
        if key is None or key.role == TABLET or key.device != device:
            raise RequestRefused("another replica signed")
    with district.store.read() as tx:
        name, box_public, state = tx.rows(
            "SELECT name, box_public, state FROM devices WHERE id = ?", [device]
        )[0]
    revoked = state == devices.REVOKED
    below = district.trust.keys[head.sender].role != TABLET
    if below and revoked:
        raise DeviceRevoked()
    answers: list[Answer] = []
    if request is not None and below:
        answers = answers_below(district, device, request)
    elif request is not None:
        answers = _answers(district, device, request, revoked)
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


def _is_upstream(district: District, sender: bytes, contents: Parcel) -> bool:
    with district.store.read() as tx:
        return public_above(tx, sender, contents) is not None


def _from_above(found: Read, records: int, more: bool) -> TakenBundle:
    """What an answer of the upstream came to: nothing goes back."""
    head = found.head
    return TakenBundle(
        head.sender,
        "",
        "",
        head.sequence,
        found.missing,
        found.branch,
        False,
        0,
        0,
        above=True,
        records=records,
        more=more,
    )


def make_for_upstream(district: District, lines: Lines) -> tuple[bytes, int, bytes]:
    """A bundle for the upstream: its replica id, the bundle's number and bytes.

    Raises NotFound where there is no upstream.
    """
    link, contents, asked = for_upstream(district)
    number, data = make(district, lines, link.server, link.box_public, contents)
    keep_question(lines, data, link, asked)
    return link.server, number, data


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
        below = district.trust.keys[head.sender].role != TABLET
        certificates = [] if revoked or below else team_certificates(tx, device)
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
