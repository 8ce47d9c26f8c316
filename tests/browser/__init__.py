# SPDX-License-Identifier: Apache-2.0
"""Tests of pages in a real browser. This is a package so that one browser serves all of it, and
ends before other tests run: its driver keeps an event loop that would be in their way."""
