# SPDX-License-Identifier: Apache-2.0
"""Donations: pledged, arrived, given on."""

from __future__ import annotations

from server.reports.define import Dimension, Figure, Report, Source, both, count
from sync.collections.donation import STAGES


def _money(name: str, column: str, zh: str, en: str) -> Figure:
    return Figure(
        name=name,
        source="donation",
        amount=f"coalesce(f.{column}, 0)",
        unit="fen",
        label=both(zh, en),
        words=both(f"{zh}之和。", f"{en}, added up."),
    )


DONATIONS = Report(
    name="donations",
    label=both("捐赠", "Donations"),
    words=both(
        "认捐日期不晚于截止日的捐赠，按状态。",
        "Donations pledged up to the last day, by their stage.",
    ),
    level="district",
    dimension=Dimension(name="stage", label=both("状态", "Stage"), sql="f.status", choices=STAGES),
    sources={"donation": Source("facts_donation f", "coalesce(f.pledged_on, '') <= :until")},
    figures=(
        count("donations", "donation", "捐赠", "Donations", "全部捐赠。", "All donations."),
        _money("pledged_fen", "pledged_fen", "认捐金额", "Money pledged"),
        _money("arrived_fen", "arrived_fen", "到账金额", "Money arrived"),
        _money("given_on_fen", "given_on_fen", "拨付金额", "Money given on"),
    ),
)
