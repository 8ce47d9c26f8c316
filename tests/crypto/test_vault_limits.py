# SPDX-License-Identifier: Apache-2.0
"""What a vault may hold and cost: up to each limit it is read, beyond it refused."""

import msgspec
import pytest

from crypto.errors import SecretTooWeak, VaultRefused
from crypto.secret import SecretBytes
from crypto.unlock import (
    ITERATIONS_MAX,
    LANES_MAX,
    MEMORY_KIB_MAX,
    WORKER_CHARACTERS_MAX,
    WORKERS_MAX,
    Cost,
    Vault,
    add_worker,
    change_secret,
    decode_vault,
    encode_vault,
    new_vault,
)

MASTER, DEVICE = SecretBytes(bytes(range(32))), SecretBytes(b"d" * 32)
CHEAP = Cost(memory_kib=8, iterations=1, lanes=1)
PIN, OTHER = "739204", "480697"


def vault_of(*workers: str, cost: Cost = CHEAP) -> Vault:
    vault = new_vault("keystore")
    for worker in workers:
        vault = add_worker(vault, MASTER, worker, PIN, DEVICE, cost=cost)
    return vault


@pytest.mark.parametrize(
    ("cost", "sound"),
    [
        (CHEAP, True),
        (Cost(memory_kib=7, iterations=1, lanes=1), False),
        (Cost(memory_kib=8 * LANES_MAX, iterations=1, lanes=LANES_MAX), True),
        (Cost(memory_kib=8 * LANES_MAX - 1, iterations=1, lanes=LANES_MAX), False),
        (Cost(memory_kib=MEMORY_KIB_MAX, iterations=1, lanes=LANES_MAX + 1), False),
        (Cost(memory_kib=MEMORY_KIB_MAX, iterations=ITERATIONS_MAX, lanes=1), True),
        (Cost(memory_kib=MEMORY_KIB_MAX + 1, iterations=1, lanes=1), False),
        (Cost(memory_kib=8, iterations=ITERATIONS_MAX + 1, lanes=1), False),
        (Cost(memory_kib=8, iterations=0, lanes=1), False),
    ],
)
def test_a_vault_is_read_whose_cost_is_within_its_limits(cost: Cost, sound: bool) -> None:
    made = vault_of("zhangxia")
    entries = tuple(msgspec.structs.replace(entry, cost=cost) for entry in made.entries)
    data = encode_vault(msgspec.structs.replace(made, entries=entries))
    if sound:
        assert decode_vault(data).entries == entries
        return
    with pytest.raises(VaultRefused):
        decode_vault(data)
    with pytest.raises(VaultRefused):
        add_worker(made, MASTER, "chenyuxuan", PIN, DEVICE, cost=cost)


def test_a_vault_of_its_most_workers_is_read_and_takes_no_more() -> None:
    full = vault_of(*(f"w{n}" for n in range(WORKERS_MAX)))
    assert decode_vault(encode_vault(full)) == full
    with pytest.raises(VaultRefused):
        add_worker(full, MASTER, "one more", PIN, DEVICE, cost=CHEAP)
    assert len(add_worker(full, MASTER, "w0", OTHER, DEVICE, cost=CHEAP).entries) == WORKERS_MAX


def test_a_worker_has_a_name_up_to_its_limit() -> None:
    vault_of("w" * WORKER_CHARACTERS_MAX)
    for name in ("", "w" * (WORKER_CHARACTERS_MAX + 1)):
        with pytest.raises(VaultRefused):
            vault_of(name)


def test_another_secret_costs_as_much_as_the_one_before() -> None:
    made = vault_of("zhangxia")
    changed = change_secret(made, "zhangxia", PIN, OTHER, DEVICE, 1, store=lambda _: None)
    assert [entry.cost for entry in changed.entries] == [CHEAP]


def test_a_weak_secret_is_refused_before_a_try_is_spent() -> None:
    words = "梁伯住三楼不下来常带药"
    made = add_worker(new_vault("file"), MASTER, "zhangxia", words, DEVICE, cost=CHEAP)
    stored: list[Vault] = []
    with pytest.raises(SecretTooWeak):
        change_secret(made, "zhangxia", words, PIN, DEVICE, 1, store=stored.append)
    assert stored == []
