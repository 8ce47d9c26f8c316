# SPDX-License-Identifier: Apache-2.0
"""The pure engine: causality, merging and the exchange.

What lives here: values and functions over them. What must not: clock, disk, network, randomness,
and any import of another package of the project. Everything that varies is handed in.
"""
