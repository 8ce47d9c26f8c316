# SPDX-License-Identifier: Apache-2.0
"""Figures and exports from the record: reports by name, and plain copies of it.

``refresh(store, schema)`` brings what is counted up to date, ``run(tx, name, params, scope_area)``
counts, ``records(…)`` lists what is behind a figure, ``REPORTS`` are all reports there are.
What must not live here: writing the record, pages, roles.
"""

from server.reports.folding import refresh
from server.reports.params import Params
from server.reports.registry import REPORTS
from server.reports.running import records, run

__all__ = ["REPORTS", "Params", "records", "refresh", "run"]
