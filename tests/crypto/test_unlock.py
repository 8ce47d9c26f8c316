# SPDX-License-Identifier: Apache-2.0
"""Unlocking: several workers, tries counted before they are made, waits, erasure, lying clocks."""

import pickle

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from crypto import unlock as unlock_module
from crypto.algorithms import UNLOCK_ARGON2ID_AES_256_GCM_SIV, prefix
from crypto.errors import (
    SecretTooWeak,
    UnlockErased,
    UnlockError,
    UnlockRefused,
    UnlockUnknown,
    UnlockWait,
    VaultRefused,
)
from crypto.secret import SecretBytes
from crypto.unlock import (
    DEFAULT_COST,
    Cost,
    Vault,
    add_worker,
    begin_try,
    change_secret,
    decode_vault,
    derive,
    encode_vault,
    finish_try,
    new_device_secret,
    new_master,
    new_vault,
    remove_worker,
    store_key,
    unlock,
    wait_left_ms,
)

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
MINUTE = 60_000
PIN, OTHER, WRONG = "739204", "480697", "480698"
MASTER = SecretBytes(bytes(range(32)))
DEVICE = SecretBytes(b"d" * 32)
NOW = 1_700_000_000_000


class Disk:
    """What survives a power cut: the last vault that was stored, as bytes."""

    def __init__(self, vault: Vault) -> None:
        self.data = encode_vault(vault)
        self.writes = 0

    def store(self, vault: Vault) -> None:
        self.data = encode_vault(vault)
        self.writes += 1

    @property
    def vault(self) -> Vault:
        return decode_vault(self.data)

    def unlock(self, worker: str, secret: str, now_ms: int) -> SecretBytes:
        return unlock(self.vault, worker, secret, DEVICE, now_ms, store=self.store)[1]


def two_workers() -> Disk:
    vault = add_worker(new_vault("keystore"), MASTER, "zhangxia", PIN, DEVICE, cost=CHEAP)
    return Disk(add_worker(vault, MASTER, "chenyuxuan", OTHER, DEVICE, cost=CHEAP))


def fail(disk: Disk, times: int, now_ms: int = NOW) -> int:
    """Spend wrong tries, waiting each wait out; returns the time after the last wait."""
    for _ in range(times):
        now_ms += wait_left_ms(disk.vault, "zhangxia", now_ms)
        with pytest.raises((UnlockRefused, UnlockErased)):
            disk.unlock("zhangxia", WRONG, now_ms)
    return now_ms + wait_left_ms(disk.vault, "zhangxia", now_ms)


def test_argon2id_gives_rfc_9106s_answer() -> None:
    argon = Argon2id(
        salt=b"\x02" * 16,
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        ad=b"\x04" * 12,
        secret=b"\x03" * 8,
    )
    assert argon.derive(b"\x01" * 32).hex() == (
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    )


def test_hkdf_gives_rfc_5869s_answer() -> None:
    hkdf = HKDF(SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA)))
    assert hkdf.derive(b"\x0b" * 22).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_a_real_vault_costs_64_mebibytes_three_passes_and_four_lanes() -> None:
    assert (DEFAULT_COST.memory_kib, DEFAULT_COST.iterations, DEFAULT_COST.lanes) == (65536, 3, 4)
    vault = add_worker(new_vault("keystore"), MASTER, "zhangxia", PIN, DEVICE)
    assert vault.entries[0].cost == DEFAULT_COST
    assert Disk(vault).unlock("zhangxia", PIN, NOW).reveal() == MASTER.reveal()


def test_each_worker_unlocks_the_same_master_key_with_their_own_pin() -> None:
    disk = two_workers()
    assert disk.unlock("zhangxia", PIN, NOW).reveal() == MASTER.reveal()
    assert disk.unlock("chenyuxuan", OTHER, NOW).reveal() == MASTER.reveal()
    with pytest.raises(UnlockRefused):
        disk.unlock("zhangxia", OTHER, NOW)


def test_the_right_pin_on_another_tablet_opens_nothing() -> None:
    disk = two_workers()
    with pytest.raises(UnlockRefused):
        unlock(disk.vault, "zhangxia", PIN, new_device_secret(), NOW, store=disk.store)


def test_full_width_digits_are_the_same_pin() -> None:
    assert two_workers().unlock("zhangxia", "７３９２０４", NOW).reveal() == MASTER.reveal()


def test_wrong_tries_wait_1_5_15_and_then_60_minutes() -> None:
    disk, now, waits, left = two_workers(), NOW, [], []
    for _ in range(9):
        with pytest.raises(UnlockRefused) as refused:
            disk.unlock("zhangxia", WRONG, now)
        waits.append(refused.value.wait_ms // MINUTE)
        left.append(refused.value.remaining_tries)
        now += refused.value.wait_ms
    assert waits == [1, 5, 15, 60, 60, 60, 60, 60, 60]
    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_a_try_during_the_wait_is_not_made_and_not_counted() -> None:
    disk = two_workers()
    fail(disk, 1)
    for passed in (0, 1, 59_999):
        with pytest.raises(UnlockWait) as wait:
            disk.unlock("zhangxia", PIN, NOW + passed)
        assert wait.value.wait_ms == MINUTE - passed
    assert disk.vault.entries[0].wrong_tries == 1
    assert disk.unlock("zhangxia", PIN, NOW + MINUTE).reveal() == MASTER.reveal()


def test_the_tenth_wrong_try_across_restarts_erases_the_wrapped_key() -> None:
    disk = two_workers()
    before = disk.vault.entries[0]
    now = fail(disk, 9)
    with pytest.raises(UnlockErased):
        disk.unlock("zhangxia", WRONG, now)
    entry = disk.vault.entries[0]
    assert (entry.wrapped, entry.salt, entry.nonce) == (b"", b"", b"")
    assert (entry.wait_ms, entry.trying) == (0, False)
    assert before.wrapped[1:] not in disk.data
    for secret in (PIN, WRONG):
        with pytest.raises(UnlockErased):
            disk.unlock("zhangxia", secret, now + 10**9)
    assert disk.vault.workers() == ("chenyuxuan",)
    assert disk.unlock("chenyuxuan", OTHER, now).reveal() == MASTER.reveal()


def test_the_tenth_try_still_opens_when_it_is_right() -> None:
    disk = two_workers()
    now = fail(disk, 9)
    assert disk.unlock("zhangxia", PIN, now).reveal() == MASTER.reveal()
    assert disk.vault.entries[0].wrong_tries == 0


def test_a_power_cut_before_the_comparison_costs_the_try() -> None:
    disk, now = two_workers(), NOW
    for count in range(1, 11):
        disk.store(begin_try(disk.vault, "zhangxia", now))
        assert disk.vault.entries[0].wrong_tries == count
        now += 60 * MINUTE
    with pytest.raises(UnlockErased) as erased:
        begin_try(disk.vault, "zhangxia", now)
    assert erased.value.vault.entries[0].wrapped == b""
    with pytest.raises(UnlockErased):
        disk.unlock("zhangxia", PIN, now)
    assert disk.vault.entries[0].wrapped == b""


def test_unlock_stores_the_count_before_it_stretches_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = two_workers()

    def power_cut(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(unlock_module, "_stretch", power_cut)
    with pytest.raises(KeyboardInterrupt):
        disk.unlock("zhangxia", PIN, NOW)
    assert (disk.writes, disk.vault.entries[0].wrong_tries) == (1, 1)


def test_a_try_that_was_not_begun_is_refused() -> None:
    disk = two_workers()
    with pytest.raises(VaultRefused):
        finish_try(disk.vault, "zhangxia", PIN, DEVICE)
    fail(disk, 1)
    with pytest.raises(VaultRefused):
        finish_try(disk.vault, "zhangxia", PIN, DEVICE)


@given(st.lists(st.integers(-(10**12), 10**12), max_size=6))
def test_a_clock_set_back_never_shortens_a_wait(jumps: list[int]) -> None:
    disk, now, forward = two_workers(), NOW, 0
    fail(disk, 1)
    for jump in jumps:
        now += jump
        forward += max(0, jump)
        left = max(0, MINUTE - forward)
        assert wait_left_ms(disk.vault, "zhangxia", now) == left
        if not left:
            return
        with pytest.raises(UnlockWait) as wait:
            disk.unlock("zhangxia", PIN, now)
        assert wait.value.wait_ms == left


def test_a_clock_once_years_ahead_does_not_lock_out_for_years() -> None:
    disk = two_workers()
    fail(disk, 1, now_ms=NOW + 30 * 365 * 86_400_000)
    with pytest.raises(UnlockWait):
        disk.unlock("zhangxia", PIN, NOW)
    assert disk.unlock("zhangxia", PIN, NOW + MINUTE).reveal() == MASTER.reveal()


def test_success_clears_the_count_and_the_wait() -> None:
    disk = two_workers()
    now = fail(disk, 3)
    disk.unlock("zhangxia", PIN, now)
    with pytest.raises(UnlockRefused) as refused:
        disk.unlock("zhangxia", WRONG, now)
    assert refused.value.wait_ms == MINUTE


def test_changing_the_pin_needs_the_old_one_and_counts_as_a_try() -> None:
    disk = two_workers()
    with pytest.raises(UnlockRefused):
        change_secret(disk.vault, "zhangxia", WRONG, "582031", DEVICE, NOW, store=disk.store)
    with pytest.raises(SecretTooWeak):
        change_secret(disk.vault, "zhangxia", PIN, "123456", DEVICE, NOW, store=disk.store)
    now = NOW + MINUTE
    change_secret(disk.vault, "zhangxia", PIN, "582031", DEVICE, now, store=disk.store)
    with pytest.raises(UnlockRefused):
        disk.unlock("zhangxia", PIN, now)
    assert disk.unlock("zhangxia", "582031", now + MINUTE).reveal() == MASTER.reveal()


def test_a_removed_or_unknown_worker_cannot_unlock() -> None:
    disk = two_workers()
    disk.store(remove_worker(disk.vault, "zhangxia"))
    for worker in ("zhangxia", "nobody"):
        with pytest.raises(UnlockUnknown):
            disk.unlock(worker, PIN, NOW)
    with pytest.raises(UnlockUnknown):
        remove_worker(disk.vault, "nobody")


def test_a_teammate_can_give_an_erased_worker_a_new_pin() -> None:
    disk = two_workers()
    now = fail(disk, 10)
    master = disk.unlock("chenyuxuan", OTHER, now)
    disk.store(add_worker(disk.vault, master, "zhangxia", "582031", DEVICE, cost=CHEAP))
    assert disk.unlock("zhangxia", "582031", now).reveal() == MASTER.reveal()


def test_one_workers_entry_cannot_be_passed_off_as_anothers() -> None:
    disk = two_workers()
    one, two = disk.vault.entries
    moved = msgspec.structs.replace(one, worker=two.worker)
    disk.store(msgspec.structs.replace(disk.vault, entries=(moved,)))
    with pytest.raises(UnlockRefused):
        disk.unlock(two.worker, PIN, NOW)


def test_a_vault_that_is_damaged_foreign_or_beyond_a_limit_is_refused() -> None:
    good = two_workers()
    entry = good.vault.entries[0]
    greedy = msgspec.structs.replace(entry, cost=Cost(memory_kib=1 << 30))
    negative = msgspec.structs.replace(entry, wrong_tries=-5)
    for entries in ((greedy,), (negative,), (entry, entry)):
        with pytest.raises(VaultRefused):
            decode_vault(encode_vault(msgspec.structs.replace(good.vault, entries=entries)))
    for data in (b"", good.data[:-1], b"x" + good.data, good.data + bytes(20_000)):
        with pytest.raises(VaultRefused):
            decode_vault(data)
    with pytest.raises(VaultRefused):
        decode_vault(encode_vault(msgspec.structs.replace(good.vault, format=9)))


def test_the_number_of_workers_and_their_names_are_limited() -> None:
    vault = new_vault("keystore")
    for number in range(16):
        vault = add_worker(vault, MASTER, f"w{number}", PIN, DEVICE, cost=CHEAP)
    for worker in ("w16", "", "x" * 65):
        with pytest.raises(VaultRefused):
            add_worker(vault, MASTER, worker, PIN, DEVICE, cost=CHEAP)


def test_the_store_key_is_sqlciphers_raw_key_and_no_other_key() -> None:
    key = store_key(MASTER).reveal()
    assert key[:2] == b"x'"
    assert key[-1:] == b"'"
    assert bytes.fromhex(key[2:-1].decode()) == derive(MASTER, b"store-key", 32).reveal()
    assert derive(MASTER, b"other", 32).reveal() not in (bytes.fromhex(key[2:-1].decode()), MASTER)
    assert new_master() != new_master()


def test_nothing_of_a_vault_or_an_error_shows_a_key_or_a_pin() -> None:
    disk = two_workers()
    assert MASTER.reveal() not in disk.data
    with pytest.raises(UnlockRefused) as refused:
        disk.unlock("zhangxia", WRONG, NOW)
    shown = f"{refused.value} {refused.value!r} {refused.value.message()} {disk.vault!r}"
    for hidden in (WRONG, PIN, MASTER.reveal().hex(), disk.vault.entries[0].salt.hex()):
        assert hidden not in shown
    with pytest.raises(TypeError):
        pickle.dumps(MASTER)
    assert isinstance(refused.value, UnlockError)


def test_a_wrapped_key_opens_by_argon2id_over_pin_salt_device_secret_and_whom_it_is_for() -> None:
    cost = Cost(memory_kib=64, iterations=2, lanes=2)
    (entry,) = add_worker(
        new_vault("keystore"), MASTER, "zhangxia", "７３９２０４", DEVICE, cost=cost
    ).entries
    bound = prefix(b"unlock") + msgspec.msgpack.encode(("zhangxia", cost))
    key = Argon2id(
        salt=entry.salt,
        length=32,
        iterations=2,
        lanes=2,
        memory_cost=64,
        ad=bound,
        secret=DEVICE.reveal(),
    ).derive(PIN.encode())
    assert entry.wrapped[0] == UNLOCK_ARGON2ID_AES_256_GCM_SIV
    opened = AESGCMSIV(key).decrypt(entry.nonce, entry.wrapped[1:], bound)
    assert opened == MASTER.reveal()
    assert (len(entry.salt), len(entry.nonce)) == (16, 12)
    assert (entry.wrong_tries, entry.wait_ms, entry.clock_ms, entry.trying) == (0, 0, 0, False)


def test_a_try_that_opened_is_over() -> None:
    disk = two_workers()
    fail(disk, 2)
    begun = begin_try(disk.vault, "zhangxia", NOW + 9 * MINUTE)
    cleared, _ = finish_try(begun, "zhangxia", PIN, DEVICE)
    entry = next(one for one in cleared.entries if one.worker == "zhangxia")
    assert (entry.wrong_tries, entry.wait_ms, entry.trying) == (0, 0, False)
    with pytest.raises(VaultRefused):
        finish_try(cleared, "zhangxia", PIN, DEVICE)


def test_a_worker_without_a_name_is_no_entry_of_a_vault() -> None:
    vault = two_workers().vault
    nameless = msgspec.structs.replace(vault.entries[0], worker="")
    with pytest.raises(VaultRefused):
        decode_vault(encode_vault(msgspec.structs.replace(vault, entries=(nameless,))))


def test_where_no_key_store_keeps_the_device_secret_a_new_worker_needs_a_passphrase() -> None:
    with pytest.raises(SecretTooWeak):
        add_worker(new_vault("file"), MASTER, "w1", PIN, DEVICE, cost=CHEAP)
    vault = add_worker(new_vault("file"), MASTER, "w1", "雨后门前三级石阶很滑", DEVICE, cost=CHEAP)
    assert len(vault.entries) == 1


def test_a_worker_is_called_by_one_letter_at_least_and_by_sixty_four_at_most() -> None:
    for worker in ("w", "x" * 64):
        vault = add_worker(new_vault("keystore"), MASTER, worker, PIN, DEVICE, cost=CHEAP)
        assert decode_vault(encode_vault(vault)).workers() == (worker,)
    (entry,) = vault.entries
    longer = msgspec.structs.replace(entry, worker="x" * 65)
    with pytest.raises(VaultRefused):
        decode_vault(encode_vault(msgspec.structs.replace(vault, entries=(longer,))))
