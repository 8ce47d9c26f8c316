# SPDX-License-Identifier: Apache-2.0
"""What the audit refuses, with stable codes.

What must not live here: behaviour. Invariant: a refused decision changed nothing.
"""

from __future__ import annotations

from server.errors import ServerError


class ConflictUnknown(ServerError):
    """There is no conflict of this number."""

    code = "audit/unknown"
    status = 404
    zh = "没有这个编号的冲突。什么都没有改动。请用 doorstep audit list 查看编号。"
    en = "There is no conflict of this number. Nothing changed. See doorstep audit list."


class RecordChanged(ServerError):
    """The record is no longer as the officer saw it."""

    code = "audit/record-changed"
    status = 409
    zh = "您查看之后，这条记录又有新的修改。没有写入任何内容。请重新查看后再决定。"
    en = "The record changed since you looked at it. Nothing was written. Look again and decide."


class ConflictSettled(ServerError):
    """Someone settled it before."""

    code = "audit/settled"
    status = 409
    zh = "这个冲突已有人裁定。原裁定未变。如要改判，请先用 doorstep audit undo 撤销。"
    en = "This conflict was settled before. That decision stands. Undo it first to decide anew."


class ConflictOpen(ServerError):
    """There is no decision to undo."""

    code = "audit/open"
    status = 409
    zh = "这个冲突没有可撤销的裁定。什么都没有改动。请用 doorstep audit show 查看。"
    en = "This conflict has no decision to undo. Nothing changed. See doorstep audit show."


class DecisionIncomplete(ServerError):
    """An officer's name, a reason or a choice is missing, or the choice is none of the siblings."""

    code = "audit/incomplete"
    status = 422
    zh = "裁定缺少裁定人、理由或所选的值。没有写入任何内容。请补全后重试。"
    en = "Officer, reason or choice is missing. Nothing was written. Complete it and try again."


class ValueRefused(ServerError):
    """The value does not fit what the field may hold."""

    code = "audit/value"
    status = 422
    zh = "所填的值不符合该字段的要求。没有写入任何内容。请更正后重试。"
    en = "The value does not fit the field. Nothing was written. Correct it and try again."


class NotInQuarantine(ServerError):
    """No change of this name is in quarantine, or it was released before."""

    code = "audit/not-quarantined"
    status = 404
    zh = "隔离区中没有这条修改，或已放行。什么都没有改动。请用 audit quarantine list 查看。"
    en = "No such change is in quarantine, or it was released. Nothing changed. See the list."


class ReleaseOverwrites(ServerError):
    """Releasing would overwrite values that the change's writer had not seen."""

    code = "audit/release-overwrites"
    status = 409
    zh = "放行会覆盖写入者未见过的值。没有写入任何内容。请对所列字段逐一用 --over 或 --leave 决定。"
    en = (
        "Releasing would overwrite values its writer had not seen. Nothing was written."
        " Say --over or --leave for each field listed."
    )


class FieldClassUnknown(ServerError):
    """No sealed field names this class of readers."""

    code = "server/field-class"
    status = 422
    zh = "没有这一类封存字段。什么都没有改动。请用 doorstep fields list 查看类别。"
    en = "No sealed field is of this class. Nothing was changed. See doorstep fields list."


class FieldSealed(ServerError):
    """A sealed value that this account may not read, or that does not open here."""

    code = "server/field-sealed"
    status = 403
    zh = "该内容已封存，您无权阅读，不能据此裁定。什么都没有改动。请交由有权阅读的人员处理。"
    en = "It is sealed and not for you. Nothing was changed. Ask somebody who may read it."
