# SPDX-License-Identifier: Apache-2.0
"""What browsers are asked of passkeys, and what their answers prove (WebAuthn).

What lives here: the calls of the library. What must not: rows, accounts. It is imported where a
passkey is used: the library takes a tenth of a server's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from server.web.errors import PasskeyRefused

ASKED_SECONDS = 120
"""How long a browser waits for its owner."""


class Proof(NamedTuple):
    """A passkey as its answers are checked by: its id, its public key, how often it was used."""

    id: bytes
    public: bytes
    uses: int


def to_make(
    host: str, user: tuple[bytes, str, str], challenge: bytes, held: Sequence[bytes]
) -> str:
    """What a browser is asked to make a passkey, as JSON; ``user`` is handle, name, shown name."""
    handle, name, shown = user
    options = webauthn.generate_registration_options(
        rp_id=host,
        rp_name="Doorstep",
        user_id=handle,
        user_name=name,
        user_display_name=shown,
        challenge=challenge,
        timeout=ASKED_SECONDS * 1000,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in held],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.DISCOURAGED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
    )
    return webauthn.options_to_json(options)


def made(host: str, origin: str, challenge: bytes, answer: str) -> Proof:
    """The passkey that a browser made. Raises PasskeyRefused."""
    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=host,
            expected_origin=origin,
        )
    except (WebAuthnException, ValueError) as error:
        raise PasskeyRefused(type(error).__name__) from None
    return Proof(found.credential_id, found.credential_public_key, found.sign_count)


def to_prove(host: str, challenge: bytes, held: Sequence[bytes]) -> str:
    """What a browser is asked to prove a passkey, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=host,
        challenge=challenge,
        timeout=ASKED_SECONDS * 1000,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in held],
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return webauthn.options_to_json(options)


def named_in(answer: str) -> bytes:
    """The id of the passkey that an answer is of; empty where it is none."""
    try:
        return webauthn.helpers.parse_authentication_credential_json(answer).raw_id
    except (WebAuthnException, ValueError):
        return b""


def uses_proved(known: Proof, host: str, origin: str, challenge: bytes, answer: str) -> int | None:
    """How often the passkey was used, where the answer proves it; None where it does not, as where
    it counts less than was seen."""
    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=host,
            expected_origin=origin,
            credential_public_key=known.public,
            credential_current_sign_count=known.uses,
        )
    except (WebAuthnException, ValueError):
        return None
    return found.new_sign_count
