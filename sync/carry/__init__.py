# SPDX-License-Identifier: Apache-2.0
"""How bundles travel by hand: files in a folder of a stick, pieces of them, pictures of codes.

What a bundle is, and who may read it, is no business of this package.
"""
