# SPDX-License-Identifier: Apache-2.0
"""What is said of a sealed thing when it is sealed and when it is opened.

What lives here: the ``info`` of every seal that travels, so that both sides use the same bytes.
What
must not: sealing itself, which is ``crypto``'s. Invariant: an info names its purpose; whom it is
for follows from the box key it is sealed to.
"""

from __future__ import annotations

CARRIED_INFO = b"doorstep/sealed-changes/1"
"""Parts that hold the contents of blanks (``sync.feed.encode_sealed_changes``)."""
OUTBOX_INFO = b"doorstep/outbox/1"
"""A tablet's sealed outbox: a sealed stream each of whose items is an encoded ``Segment`` of one
change."""
