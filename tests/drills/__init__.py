# SPDX-License-Identifier: Apache-2.0
"""Drills: every attack of the threat model against real processes (crypto/README.md).

What lives here: attacks. What must not: the ground they are played on (``fixtures/drill_ground``),
tests of single parts.
"""
