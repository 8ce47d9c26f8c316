# SPDX-License-Identifier: Apache-2.0
"""Figures and exports from the record, read through its views.

What must not live here: writing the record, words for single records.
"""
