# SPDX-License-Identifier: Apache-2.0
"""The endpoints under ``/v1/``: bytes in, bytes out, limits and signatures checked.

What must not live here: rules of merging or of enrolment, SQL.
"""
