# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of servers over servers: (bug, file, old text, new text, tests)."""

PLANTS_TIERS = (
    (
        "the signature of a relayed run is not checked",
        "server/trust.py",
        '        verify(found.public, b"segment", message, signature)\n',
        "",
        "tests/server/test_trust.py",
    ),
    (
        "a certificate is believed without its issuer's signature",
        "server/trust.py",
        "            check_certificate(statement, issuer.public)\n",
        "            pass\n",
        "tests/server/test_trust.py",
    ),
    (
        "a server below may say who stands above",
        "server/trust.py",
        "            return issuer.replica == self.me or issuer.role == UPSTREAM\n",
        "            return True\n",
        "tests/server/test_trust.py",
    ),
    (
        "feeds of tablets of a district with an area do not go up",
        "server/trust.py",
        "        return said.role == TABLET or said.area.startswith(issuer.area)\n",
        "        return said.area.startswith(issuer.area)\n",
        "tests/server/test_custody.py",
    ),
    (
        "states of other areas come down",
        "server/relaying.py",
        '        where += " AND h.area >= ? AND h.area < ?"\n',
        '        where += " AND (h.area >= ? OR h.area < ?)"\n',
        "tests/server/test_trust.py",
    ),
)
