# SPDX-License-Identifier: Apache-2.0
"""Attachment: a photo, a sound or a signature, and what it belongs to.

What lives here: the declaration of one collection. What must not: the bytes themselves, which
travel beside the record as a blob named by the SHA-256 of its ciphertext. Invariants: an attachment
is written once, so two different values of a field mean that something is wrong; the key in
``blob_key`` opens the blob and stands nowhere else, least of all in a log.
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices
from sync.schema import NAME_CHARS_MAX, Collection, Field, Label

BLOB_BYTES_MAX = 50_000_000
"""A minute of video from a tablet; what is longer is taken again, shorter."""
PURPOSES = choices(
    ("home", "居住环境", "The home"),
    ("person", "本人", "The person"),
    ("document", "证件材料", "A document"),
    ("handover", "物资交接", "Goods handed over"),
    ("signature", "签名", "Signature"),
    ("voice", "录音", "Voice"),
    ("other", "其他", "Other"),
)
MEDIA_PATTERN = r"(image/(jpeg|png|webp)|audio/(ogg|mp4|mpeg|wav)|video/(mp4|webm)|application/pdf)"
_ONCE = "Written once with the blob: a second value is a sign of trouble and is looked at."

ATTACHMENT = Collection(
    name="attachment",
    label=Label(zh="附件", en="Attachment"),
    fields={
        "household": declare.HOUSEHOLD,
        "purpose": Field(
            policy="ask",
            why=_ONCE,
            kind="choice",
            label=Label(zh="内容", en="What it is"),
            choices=PURPOSES,
            required=True,
        ),
        "blob": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="文件", en="Blob"),
            required=True,
            chars_max=64,
            pattern=r"[0-9a-f]{64}",
        ),
        "blob_key": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="文件密钥", en="Blob key"),
            chars_max=64,
            pattern=r"[0-9a-f]{64}",
        ),
        "blob_bytes": Field(
            policy="ask",
            why=_ONCE,
            kind="integer",
            label=Label(zh="大小", en="Size"),
            unit="bytes",
            required=True,
            minimum=0,
            maximum=BLOB_BYTES_MAX,
        ),
        "media_type": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="格式", en="Media type"),
            required=True,
            chars_max=40,
            pattern=MEDIA_PATTERN,
        ),
        "about_collection": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="所属表", en="Belongs to collection"),
            chars_max=NAME_CHARS_MAX,
        ),
        "about_record": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="所属记录", en="Belongs to record"),
            chars_max=ID_CHARS_MAX,
        ),
        "about_field": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="所属栏目", en="Belongs to field"),
            chars_max=NAME_CHARS_MAX,
        ),
        "taken_at_ms": Field(
            policy="ask",
            why=_ONCE,
            kind="time",
            label=Label(zh="拍摄时间", en="Taken at"),
            unit="ms",
        ),
        "taken_by": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="采集人", en="Taken by"),
            chars_max=ID_CHARS_MAX,
        ),
        "caption": Field(
            policy="latest",
            why="Words about a picture; the last are as good as the first.",
            label=Label(zh="说明", en="Caption"),
            chars_max=declare.LINE_CHARS,
        ),
    },
)
