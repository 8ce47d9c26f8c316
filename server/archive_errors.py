# SPDX-License-Identifier: Apache-2.0
"""What is refused about archives, with their stable codes.

What must not live here: behaviour.
"""

from __future__ import annotations

from server.errors import ServerError


class ArchiveMissing(ServerError):
    """Older changes lie in an archive that is not where it should be, or does not hold them."""

    code = "server/archive"
    status = 503
    zh = "较早的修改在归档文件中，而该文件不在或已损坏。记录与上传不受影响。请把它放回归档目录。"
    en = (
        "Older changes lie in an archive that is missing or damaged. The record and uploads go on."
        " Put that file back into the archive folder."
    )


class ArchiveWaits(ArchiveMissing):
    """An archive is back that was away while something was erased, and is not served before that
    is out of it."""

    code = "server/archive-waits"
    zh = (
        "归档文件已放回，但其间有记录被删除；服务器正先从中清除，随后自动恢复。记录与上传不受影响。"
    )
    en = (
        "An archive is back, and records were erased while it was away: the server takes them out"
        " of it first. The record and uploads go on. Try again in a few minutes."
    )
