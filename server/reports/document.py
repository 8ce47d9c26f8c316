# SPDX-License-Identifier: Apache-2.0
"""``python -m server.reports.document``: the definitions of all reports, as README.md has them.

What must not live here: any definition. A test compares what this writes with the file.
"""

from __future__ import annotations

from server.reports.registry import REPORTS


def definitions() -> str:
    """All reports with their figures, in Markdown, Chinese and English."""
    lines: list[str] = []
    for report in REPORTS.values():
        lines += [
            f"### {report.name}: {report.label.zh} · {report.label.en}",
            "",
            report.words.zh,
            report.words.en,
            "",
        ]
        divided = f", by {report.dimension.name}" if report.dimension else ""
        lines += [f"Rows by {report.level}{divided}.", "", "| figure | 指标 | 说明 | definition |"]
        lines.append("|---|---|---|---|")
        lines += [
            f"| `{one.name}` | {one.label.zh} · {one.label.en} | {one.words.zh} | {one.words.en} |"
            for one in report.columns
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(definitions())
