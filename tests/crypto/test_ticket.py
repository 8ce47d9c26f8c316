# SPDX-License-Identifier: Apache-2.0
"""Enrolment by ticket: QR text, typed code, the proofs of both sides and the six digits."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.algorithms import TICKET_SCRAM_SHA256, purposed_hash
from crypto.errors import (
    EnrolmentRefused,
    TicketExpired,
    TicketRefused,
    TicketUnreadable,
    TicketUsed,
)
from crypto.secret import SecretBytes
from crypto.ticket import (
    Ticket,
    TicketVerifier,
    Transcript,
    check_commitment,
    check_enrolment_proof,
    check_server_proof,
    check_usable,
    decode_ticket,
    encode_ticket,
    enrolment_commitment,
    enrolment_proof,
    new_enrolment_nonce,
    new_ticket,
    read_typed_code,
    server_proof,
    six_digits,
    ticket_id,
    typed_code,
)

NOW = 1_700_000_000_000
PIN = bytes(range(32))
ADDRESSES = ("192.168.1.20:8443", "doorstep.local:8443", "[fd00::1]:8443")
TICKET, VERIFIER = new_ticket(ADDRESSES, PIN, NOW)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
secrets = st.binary(min_size=12, max_size=12).map(lambda b: bytes([b[0] & 0x7F]) + b[1:])


def transcript(**fields: bytes) -> Transcript:
    whole = Transcript(
        VERIFIER.ticket_id,
        PIN,
        b"T" * 32,
        b"B" * 1216,
        b"n" * 32,
        b"S" * 32,
        b"X" * 1216,
        b"m" * 32,
    )
    return msgspec.structs.replace(whole, **fields)


def test_a_ticket_comes_back_from_its_qr_text() -> None:
    text = encode_ticket(TICKET)
    assert decode_ticket(text) == TICKET
    assert decode_ticket(f"  {text.lower()}\n") == TICKET
    assert TICKET.expires_at_ms == NOW + 15 * 60_000


def test_the_qr_text_is_compact_and_in_the_upper_case_set_of_qr_codes() -> None:
    text = encode_ticket(new_ticket(("192.168.1.20:8443",), PIN, NOW)[0])
    assert set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-")
    assert len(text) < 135


@given(st.integers(9, 200), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_misread_character_of_the_qr_text_is_noticed(at: int, symbol: str) -> None:
    text = encode_ticket(TICKET)
    at = min(at, len(text) - 1)
    misread = text[:at] + symbol + text[at + 1 :]
    if misread != text:
        with pytest.raises(TicketUnreadable):
            decode_ticket(misread)


@given(st.text(max_size=120))
def test_no_text_but_a_ticket_is_taken_for_one(text: str) -> None:
    for candidate in (text, "DOORSTEP-" + text):
        with pytest.raises(TicketUnreadable):
            decode_ticket(candidate)


def test_a_ticket_text_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(TicketUnreadable):
        decode_ticket("DOORSTEP-" + "A" * 100_000)


@pytest.mark.parametrize(
    "addresses",
    [(), ("host",), ("host:0",), ("host:65536",), ("a b:1",), ("x" * 91 + ":1",), ("h:1",) * 5,
     ("https://h:1",), ("区:1",)],
)  # fmt: skip
def test_a_ticket_for_a_malformed_address_is_not_made(addresses: tuple[str, ...]) -> None:
    with pytest.raises(TicketRefused):
        new_ticket(addresses, PIN, NOW)


@given(secrets)
def test_a_typed_code_comes_back_however_it_is_typed(secret: bytes) -> None:
    code = typed_code(secret)
    assert len(code) == 24
    sloppy = code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    for typed in (code, sloppy, wide, code.replace("1", "I")):
        assert read_typed_code(typed) == secret


def test_every_single_mistyped_character_is_caught() -> None:
    code = typed_code(TICKET.secret).replace("-", "")
    for at in range(20):
        for symbol in ALPHABET:
            if symbol != code[at]:
                with pytest.raises(TicketUnreadable):
                    read_typed_code(code[:at] + symbol + code[at + 1 :])


@given(secrets)
def test_every_swap_of_two_characters_is_caught(secret: bytes) -> None:
    code = typed_code(secret).replace("-", "")
    for i in range(20):
        for j in range(i + 1, 20):
            swapped = list(code)
            swapped[i], swapped[j] = code[j], code[i]
            if code[i] != code[j]:
                with pytest.raises(TicketUnreadable):
                    read_typed_code("".join(swapped))


@pytest.mark.parametrize("text", ["", "ABCD", "U" * 20, "?" * 20, "0" * 19, "0" * 21, "0" * 1000])
def test_a_typed_code_of_wrong_length_or_symbols_is_refused(text: str) -> None:
    with pytest.raises(TicketUnreadable):
        read_typed_code(text)


def test_a_ticket_cannot_be_used_twice_nor_after_fifteen_minutes() -> None:
    check_usable(VERIFIER, NOW, used=False)
    check_usable(VERIFIER, NOW + 15 * 60_000 - 1, used=False)
    with pytest.raises(TicketUsed):
        check_usable(VERIFIER, NOW, used=True)
    for now in (NOW + 15 * 60_000, NOW + 10**12, NOW - 1):
        with pytest.raises(TicketExpired):
            check_usable(VERIFIER, now, used=False)


def test_both_sides_prove_the_ticket_to_each_other() -> None:
    t = transcript()
    proof = enrolment_proof(TICKET.secret, t)
    assert (proof[0], len(proof)) == (0x51, 33)
    check_enrolment_proof(VERIFIER, t, proof)
    check_server_proof(TICKET.secret, t, server_proof(VERIFIER, t))


FIELDS = [name for name in Transcript.__struct_fields__ if name != "ticket_id"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_proof_is_bound_to_every_part_of_the_transcript(field: str) -> None:
    proof, answer = (
        enrolment_proof(TICKET.secret, transcript()),
        server_proof(VERIFIER, transcript()),
    )
    altered = transcript(**{field: b"another"})
    with pytest.raises(EnrolmentRefused):
        check_enrolment_proof(VERIFIER, altered, proof)
    with pytest.raises(EnrolmentRefused):
        check_server_proof(TICKET.secret, altered, answer)
    assert six_digits(altered) != six_digits(transcript())


def test_without_the_secret_no_proof_holds() -> None:
    other, other_verifier = new_ticket(ADDRESSES, PIN, NOW)
    t = transcript()
    for proof in (enrolment_proof(other.secret, t), b"", bytes(33), b"\x51" + bytes(32)):
        with pytest.raises(EnrolmentRefused):
            check_enrolment_proof(VERIFIER, t, proof)
    with pytest.raises(EnrolmentRefused):
        check_server_proof(TICKET.secret, t, server_proof(other_verifier, t))
    with pytest.raises(EnrolmentRefused):
        check_enrolment_proof(other_verifier, t, enrolment_proof(other.secret, t))


def test_what_the_server_stores_enrols_nobody() -> None:
    t = transcript()
    stored = msgspec.msgpack.encode(VERIFIER)
    assert TICKET.secret not in stored
    for stolen in (VERIFIER.stored_key, VERIFIER.server_key):
        for secret in (stolen, stolen[:12]):
            with pytest.raises(EnrolmentRefused):
                check_enrolment_proof(VERIFIER, t, enrolment_proof(secret, t))
        with pytest.raises(EnrolmentRefused):
            check_enrolment_proof(VERIFIER, t, b"\x51" + stolen)
    assert msgspec.msgpack.decode(stored, type=TicketVerifier) == VERIFIER


@pytest.mark.parametrize(
    "field", ["ticket_id", "tablet_public", "tablet_box_public", "tablet_nonce", "context"]
)
def test_a_tablet_is_bound_to_what_it_committed_to(field: str) -> None:
    t = transcript()
    commitment = enrolment_commitment(
        t.ticket_id, t.tablet_public, t.tablet_box_public, t.tablet_nonce, t.context
    )
    assert (commitment[0], len(commitment)) == (0x11, 33)
    check_commitment(commitment, t)
    with pytest.raises(EnrolmentRefused):
        check_commitment(commitment, transcript(**{field: b"c" * 32}))


def test_a_commitment_without_a_full_nonce_is_refused() -> None:
    t = transcript(tablet_nonce=b"")
    commitment = enrolment_commitment(t.ticket_id, t.tablet_public, t.tablet_box_public, b"")
    with pytest.raises(EnrolmentRefused):
        check_commitment(commitment, t)


def test_grinding_the_digits_works_only_without_the_commitment() -> None:
    """Whoever may choose a nonce last makes the screens agree; the commitment takes that choice."""
    wanted = six_digits(transcript())
    tries = (transcript(tablet_public=b"M" * 32, tablet_nonce=b"%032d" % i) for i in range(10**7))
    ground = next(t for t in tries if six_digits(t)[:3] == wanted[:3])  # three digits stand for six
    committed = enrolment_commitment(
        ground.ticket_id, ground.tablet_public, ground.tablet_box_public, new_enrolment_nonce()
    )
    with pytest.raises(EnrolmentRefused):
        check_commitment(committed, ground)


def test_six_digits_are_always_six_and_spread_evenly() -> None:
    shown = [six_digits(transcript(tablet_nonce=b"%032d" % i)) for i in range(2000)]
    assert all(len(digits) == 6 and digits.isdigit() for digits in shown)
    firsts = [sum(d[0] == str(n) for d in shown) for n in range(10)]
    assert min(firsts) > 120


def test_nothing_of_a_ticket_shows_its_secret() -> None:
    shown = f"{TICKET!r} {TICKET} {VERIFIER!r}"
    assert TICKET.secret.hex() not in shown
    assert typed_code(TICKET.secret) not in shown
    assert repr(TICKET.secret)[2:-1] not in shown
    assert ticket_id(TICKET.secret) == VERIFIER.ticket_id
    assert isinstance(TICKET, Ticket)


def test_a_ticket_has_up_to_four_addresses_of_a_hundred_characters() -> None:
    longest = "h" * 90 + ":" + "65535"
    for addresses in ((longest,) * 4, ("[::1]:1",), ("a:65535", "b:00001")):
        ticket, _ = new_ticket(addresses, b"p" * 32, 0)
        assert decode_ticket(encode_ticket(ticket)) == ticket
    for addresses in ((longest,) * 5, (), ("a:0",), ("a:65536",), ("h" * 91 + ":1",), ("a",)):
        with pytest.raises(TicketRefused):
            new_ticket(addresses, b"p" * 32, 0)
    for pin, now in ((b"p" * 31, 0), (b"p" * 32, 1 << 48), (b"p" * 32, -(1 << 40))):
        with pytest.raises(TicketRefused):
            new_ticket(("a:1",), pin, now)
    last, _ = new_ticket(("a:1",), b"p" * 32, (1 << 48) - 1, 0)
    assert decode_ticket(encode_ticket(last)).expires_at_ms == (1 << 48) - 1


def test_a_secret_may_be_wrapped_where_it_is_proved() -> None:
    t, wrapped = transcript(), SecretBytes(TICKET.secret)
    assert enrolment_proof(wrapped, t) == enrolment_proof(TICKET.secret, t)
    check_server_proof(wrapped, t, server_proof(VERIFIER, t))


def test_a_ticket_may_be_over_since_the_beginning_of_time_and_not_before() -> None:
    first, _ = new_ticket(("a:1",), PIN, 0, 0)
    assert decode_ticket(encode_ticket(first)).expires_at_ms == 0
    with pytest.raises(TicketRefused):
        new_ticket(("a:1",), PIN, 0, -1)


def test_an_address_that_is_no_ascii_is_refused_and_breaks_nothing() -> None:
    body = bytes((TICKET_SCRAM_SHA256,)) + TICKET.secret + PIN + bytes(6) + b"\x01"
    for address in (b"\xe5\x8c\xba:1", b"a\xff:1"):
        whole = body + bytes((len(address),)) + address
        whole += purposed_hash(b"ticket-text", whole)[1:5]
        with pytest.raises(TicketRefused):
            decode_ticket("DOORSTEP-" + base64.b32encode(whole).decode().rstrip("="))


def test_a_ticket_comes_back_whatever_its_text_ends_with() -> None:
    ends = set()
    for n in range(160):
        addresses = ("h" * (1 + n % 5) + ":1",)
        text = encode_ticket(Ticket(addresses, PIN, bytes([n % 128]) * 12, NOW + n))
        assert decode_ticket(text).addresses == addresses
        ends.add(text[-1])
    assert "X" in ends


def test_a_secret_has_twelve_bytes_and_no_more_bits_than_are_typed() -> None:
    assert read_typed_code(typed_code(b"\x7f" + b"\xff" * 11)) == b"\x7f" + b"\xff" * 11
    for secret in (b"", bytes(11), bytes(13), b"\x80" + bytes(11), b"\xff" * 12):
        with pytest.raises(TicketRefused):
            typed_code(secret)


def test_the_verifier_of_a_ticket_is_made_of_its_secret_and_its_times() -> None:
    ticket, verifier = new_ticket(ADDRESSES, PIN, NOW, 5)
    assert verifier.ticket_id == ticket_id(ticket.secret)
    assert (verifier.issued_at_ms, verifier.expires_at_ms) == (NOW, NOW + 5)
    assert ticket.expires_at_ms == NOW + 5
    t = transcript(ticket_id=verifier.ticket_id)
    check_enrolment_proof(verifier, t, enrolment_proof(ticket.secret, t))
    check_server_proof(ticket.secret, t, server_proof(verifier, t))


def test_a_commitment_without_a_context_is_one_to_none() -> None:
    said = (VERIFIER.ticket_id, b"T" * 32, b"B" * 1216, b"n" * 32)
    assert enrolment_commitment(*said) == enrolment_commitment(*said, b"")


def test_a_ticket_expires_before_its_moment_has_no_room_and_no_byte_of_it_is_fixed() -> None:
    with pytest.raises(TicketRefused):
        encode_ticket(msgspec.structs.replace(TICKET, expires_at_ms=1 << 48))
    made = [new_ticket(ADDRESSES, PIN, NOW)[0].secret for _ in range(40)]
    assert all(len({secret[n] for secret in made}) > 1 for n in range(len(made[0])))


def test_the_six_digits_are_those_that_both_programs_have_always_shown() -> None:
    said = transcript()
    digest = purposed_hash(b"enrolment-digits", msgspec.msgpack.encode(said))
    assert six_digits(said) == str(int.from_bytes(digest[1:17], "big"))[-6:]
