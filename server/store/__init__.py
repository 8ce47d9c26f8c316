# SPDX-License-Identifier: Apache-2.0
"""The record and everything a server keeps: the contract (``base``) and its implementations.

What must not live here: rules of merging, HTTP, words for people.
"""
