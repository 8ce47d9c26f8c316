# SPDX-License-Identifier: Apache-2.0
"""Keys, seals and signatures of Doorstep: pure but for the operating system's randomness.

Lives here: everything section by section in README.md. Import the modules: `from crypto.seal
import seal`. Must not live here: disk, network or clock; anything of `sync`, `server` or
`client_sdk`.
"""
