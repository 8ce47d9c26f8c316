# SPDX-License-Identifier: Apache-2.0
"""All reports, by name, in the order in which they are offered.

What must not live here: any figure. Invariant: a report that is not here is not there.
"""

from __future__ import annotations

from server.reports.calls import CALLS
from server.reports.children import CHILDREN
from server.reports.clearing import CLEARING, OPEN_NEEDS
from server.reports.coverage import COVERAGE, COVERAGE_HOURS
from server.reports.daily import DAILY
from server.reports.daily_forms import DAILY_FORMS
from server.reports.define import Report
from server.reports.donations import DONATIONS
from server.reports.institutions import INSTITUTIONS
from server.reports.journeys import JOURNEYS
from server.reports.ledger import LEDGER
from server.reports.letters import LETTERS
from server.reports.relief import REFERRALS, RELIEF
from server.reports.stages import STAGES
from server.reports.stock import STOCK, STOCK_POINTS
from server.reports.street import STREET, STREET_OFFERS
from server.reports.supervision import SUPERVISION
from server.reports.supplies import PARCELS
from server.reports.testing import TESTING
from server.reports.totals import TOTALS
from server.reports.unvisited import UNVISITED
from server.reports.volunteers import VOLUNTEERS

REPORTS: dict[str, Report] = {
    report.name: report
    for report in (
        TOTALS,
        DAILY,
        COVERAGE,
        COVERAGE_HOURS,
        CLEARING,
        OPEN_NEEDS,
        STAGES,
        UNVISITED,
        STOCK,
        STOCK_POINTS,
        PARCELS,
        DAILY_FORMS,
        CALLS,
        VOLUNTEERS,
        SUPERVISION,
        CHILDREN,
        RELIEF,
        REFERRALS,
        LETTERS,
        TESTING,
        LEDGER,
        DONATIONS,
        INSTITUTIONS,
        JOURNEYS,
        STREET,
        STREET_OFFERS,
    )
}
