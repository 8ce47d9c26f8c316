# SPDX-License-Identifier: Apache-2.0
"""The console: pages for the staff of districts and cities, rendered here, without scripts needed.

What must not live here: rules of merging or deciding, which the command line shares.
"""
