# SPDX-License-Identifier: Apache-2.0
"""The tablet: its encrypted store, what it sends and takes in, and its command line.

Merging rules live in `sync`, keys and seals in `crypto`; nothing of `server` is imported here.
"""
