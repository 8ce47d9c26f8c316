# SPDX-License-Identifier: Apache-2.0
"""``doorstep keys keep, forget`` and ``keys renew store, box, tls, root``.

What must not live here: keys (``store_keyring.py``, ``boxes.py``, ``keys.py``, ``roots.py``), when
it is time (``renewing.py``), encrypting anew (``rekeying.py``).
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of
from server.words import pick


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(keys)


@click.group("keys", cls=SpokenGroup, help="服务器的密钥 ‖ The server's keys.")
def keys() -> None:
    """Keys."""


@click.group("renew", cls=SpokenGroup, help="换新密钥 ‖ Make new ones.")
def renew() -> None:
    """Renewal."""


keys.add_command(renew)


@spoken(
    keys,
    "keep",
    "把存储密钥改存到别处（先停止服务）：环境变量、systemd 凭据，或密钥服务的程序 ‖ "
    "Keep the store's key elsewhere (stop the server first): in the environment, a systemd"
    " credential, or with a key service's program.",
)
@click.argument("kind", type=click.Choice(("environment", "credential", "command")))
@click.argument("words", nargs=-1, required=True)
@option("--seal", default="", text="密钥服务的封装命令 ‖ the key service's command that seals")
@BY
@click.pass_context
def keep(context: click.Context, /, kind: str, words: tuple[str, ...], seal: str, by: str) -> None:
    """Keep the store's key elsewhere."""
    import shlex

    from server.app import opened_district
    from server.errors import KeyFileWrong
    from server.journal import note
    from server.store_key import Place, move_out

    state = state_of(context)
    if (kind == "command") != bool(seal):
        raise KeyFileWrong("--seal goes with command")
    with opened_district(state.settings) as (district, keys):
        move_out(keys.folder, Place(kind, words), tuple(shlex.split(seal)))
        with district.store.write() as tx:
            note(tx, district.clock(), by, "store-key-moved", kind, words[0])
    state.say(
        "存储密钥现由 {kind} 提供，文件已删除。每次启动都要能取到它；请另存一份离线副本 ‖ "
        "The store's key now comes from {kind}; its file is gone. Every start needs it: keep an"
        " offline copy",
        kind=kind,
    )


@spoken(
    renew,
    "store",
    "换新的存储密钥，服务器可继续运行；旧备份仍能打开 ‖ "
    "Encrypt the store by a new key, while serving or not; earlier backups open on.",
)
@BY
@click.pass_context
def store(context: click.Context, /, by: str) -> None:
    """Renew the store's key."""
    from server.office import renew_store

    state = state_of(context)
    with state.progress("重新加密 ‖ Encrypting anew", 100) as bar:
        done = 0

        def told(copied: int, total: int) -> None:
            nonlocal done
            part = copied * 100 // max(total, 1)
            # What another process wrote in between may have made it begin again.
            bar(max(part - done, 0))
            done = max(part, done)

        before, after = renew_store(state.settings, by, told)
    state.say(
        "存储已改用密钥 {after}；{before} 只留给以前的备份，doorstep keys forget 可弃去。"
        "请把密钥目录再离线另存一份 ‖ "
        "The store is encrypted by key {after}; {before} stays for earlier backups until doorstep"
        " keys forget. Keep a new offline copy of the key folder",
        before=before,
        after=after,
    )


@spoken(
    keys,
    "forget",
    "弃去早已换下的存储密钥：用它们加密的备份从此打不开 ‖ "
    "Forget store keys replaced long ago: backups made under them open for nobody any more.",
)
@option("--days", type=click.IntRange(0), default=30, text="换下多少天以上 ‖ replaced so long ago")
@option("--yes", is_flag=True, text="不询问 ‖ do not ask")
@BY
@click.pass_context
def forget(context: click.Context, /, days: int, yes: bool, by: str) -> None:
    """Forget earlier keys."""
    from server.backup_keys import note_forgotten
    from server.cli_words import when
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        ring, before_ms = desk.keys.store, desk.now_ms - days * 86_400_000
        going = [one for one in ring.earlier() if one.until_ms < before_ms]
        rows = [
            (one.name, when(one.until_ms), "弃去 ‖ goes" if one in going else "")
            for one in ring.earlier()
        ]
        state.table(
            ["密钥 ‖ key", "用到 ‖ until", "处理 ‖ what"],
            [(name, until, pick(what, state.lang)) for name, until, what in rows],
        )
        if not going:
            return
        question = "弃去后无法恢复，继续？" if state.lang == "zh" else "Gone for good. Go on?"
        if not yes and not click.confirm(question):
            raise SystemExit(1)
        with desk.store.write() as tx:
            for one in ring.forget(before_ms):
                note_forgotten(tx, one.name, one.until_ms, by, desk.now_ms)
    state.say(
        "已弃去 {count} 个密钥。密钥目录以前的副本里还有，也请销毁 ‖ "
        "{count} keys are forgotten. Earlier copies of the key folder still have them: destroy"
        " those too",
        count=len(going),
    )


@spoken(
    renew,
    "box",
    "换新的封装密钥；旧的仍能打开已封装的内容（serve 每 90 天自动换一次）‖ "
    "Make a new box key; the old ones still open what was sealed (serve does it every 90 days).",
)
@BY
@click.pass_context
def box(context: click.Context, /, by: str) -> None:
    """Renew the box key."""
    from server.boxes import GRACE_MS
    from server.office import reading
    from server.renewing import renew_box

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        renew_box(tx, desk.keys.boxes, by, desk.now_ms)
    state.say(
        "已换新的封装密钥；平板在下次联系时得知。{days} 天内仍收用旧密钥封装的数据包；"
        "请把密钥目录再离线另存一份 ‖ "
        "A new box key is in use; tablets hear of it at their next contact. Bundles sealed to the"
        " old one are taken for {days} days. Keep a new offline copy of the key folder",
        days=GRACE_MS // 86_400_000,
    )


@spoken(
    renew,
    "tls",
    "换新的 TLS 密钥和证书（先停止服务）；平板和下级服务器自动改认新的 ‖ "
    "Make a new TLS key and certificate (stop the server first); tablets and servers below follow.",
)
@BY
@click.pass_context
def tls(context: click.Context, /, by: str) -> None:
    """Renew the TLS key."""
    from server.app import opened_district
    from server.journal import note
    from server.keys import renew_tls
    from server.setup import host_names

    state = state_of(context)
    with opened_district(state.settings) as (district, keys):
        now_ms = district.clock()
        renew_tls(keys.folder, tuple(host_names(state.settings)), now_ms)
        with district.store.write() as tx:
            note(tx, now_ms, by, "tls-renewed", str(now_ms), "")
    state.say(
        "已换新的 TLS 密钥，下次启动时使用。平板和下级服务器凭本服务器根密钥的签名改认新密钥；"
        "之前打印的登记票作废。请把密钥目录再离线另存一份 ‖ "
        "A new TLS key is used from the next start. Tablets and servers below follow by the word of"
        " this server's root; tickets made before no longer work. Keep a new offline copy of the"
        " key folder"
    )


@spoken(
    renew,
    "root",
    "换新的根密钥，由旧根密钥签名指定（先停止服务）‖ "
    "Replace the root key by a successor that the old one signs (stop the server first).",
)
@BY
@click.pass_context
def root(context: click.Context, /, by: str) -> None:
    """Replace the root."""
    from server.app import opened_district
    from server.approvals import ROOT, need
    from server.journal import note

    state = state_of(context)
    with opened_district(state.settings) as (district, keys):
        now_ms = district.clock()
        with district.store.read() as tx:
            need(tx, ROOT, "", by, now_ms)
        new = keys.roots.renew(keys.folder, now_ms).present
        with district.store.write() as tx:
            note(tx, now_ms, by, "root-renewed", keys.sign.replica.hex(), new.replica.hex())
    state.say(
        "新的根密钥：{root}，下次启动时使用。平板、上级和下级服务器凭旧根密钥的签名改认新的；"
        "离线的平板日后也能找回。请把密钥目录再离线另存一份 ‖ "
        "The new root is {root}, used from the next start. Tablets and servers above and below"
        " follow by the old root's signature, whenever they come. Keep a new offline copy of the"
        " key folder",
        root=new.replica.hex(),
    )
