# SPDX-License-Identifier: Apache-2.0
"""The tablet's own pages: what the worker holds at the door.

What must not live here: anything an app of someone else's would need too; that is ``client_sdk``.
"""
