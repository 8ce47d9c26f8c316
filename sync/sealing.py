# SPDX-License-Identifier: Apache-2.0
"""What is said of a sealed thing when it is sealed and when it is opened.

What lives here: the ``info`` of every seal that travels, so that both sides use the same bytes. What
must not: sealing itself, which is ``crypto``'s. Invariant: an info names its purpose and the server it
is for, so that no server opens what was sealed for another under the same key.
"""

from __future__ import annotations


def carried_info(server: bytes) -> bytes:
    """Info of a part that holds the contents of blanks; ``server`` is the receiver's replica id."""
    return b"carried-changes/1\0" + server


def outbox_info(server: bytes) -> bytes:
    """Info of a tablet's sealed outbox; each item is one encoded ``Segment`` of one change."""
    return b"outbox/1\0" + server
