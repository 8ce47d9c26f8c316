# SPDX-License-Identifier: Apache-2.0
"""The server's configuration: one list of settings, read from a file, the environment and flags.

What lives here: names, defaults, limits and reasons, and how the three sources are put together.
What must not: what the settings are used for. Invariants
- Flags beat the environment (``DOORSTEP_PORT``), which beats the TOML file, which beats defaults.
- A name nobody knows is refused, wherever it stands: a misspelt limit must not be silently off.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from crypto.blob import BLOB_BYTES_MAX, BLOB_OVERHEAD_BYTES
from crypto.statement import LEASE_DAYS_MAX
from server.errors import ConfigurationWrong, NotInitialised
from server.words import pick
from sync.messages import MESSAGE_BYTES_MAX

ENVIRONMENT_PREFIX = "DOORSTEP_"
CONFIG_NAME = "doorstep.toml"
KIB, MIB = 1024, 1024 * 1024

Port = Annotated[int, Meta(ge=0, le=65_535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Units stand last in the names; what each is for in ``ABOUT``."""

    data_dir: str = "doorstep-data"
    key_dir: str = ""
    store_dsn: str = ""
    store_district: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "district"
    host: str = "0.0.0.0"
    port: Port = 8443
    addresses: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    lang: Literal["zh", "en"] = "zh"
    ticket_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 15
    lease_days: Annotated[int, Meta(ge=0, le=LEASE_DAYS_MAX)] = 0
    lease_erase_days: Annotated[int, Meta(ge=0, le=LEASE_DAYS_MAX)] = 30
    request_bytes_max: Annotated[int, Meta(ge=64 * KIB, le=MESSAGE_BYTES_MAX)] = MESSAGE_BYTES_MAX
    request_seconds_max: Annotated[int, Meta(ge=5, le=3_600)] = 120
    requests_at_once_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    connections_at_once_max: Annotated[int, Meta(ge=10, le=60_000)] = 4_000
    blob_bytes_max: Annotated[int, Meta(ge=KIB, le=BLOB_BYTES_MAX + BLOB_OVERHEAD_BYTES)] = (
        BLOB_BYTES_MAX + BLOB_OVERHEAD_BYTES
    )
    blob_piece_bytes_max: Annotated[int, Meta(ge=KIB, le=8 * MIB)] = MIB
    disk_free_bytes_min: Annotated[int, Meta(ge=0)] = 64 * MIB
    disk_free_bytes_alarm: Annotated[int, Meta(ge=0)] = 1024 * MIB
    shutdown_seconds_max: Annotated[int, Meta(ge=1, le=600)] = 30
    upstream_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    backup_dir: str = ""
    backup_hours: Annotated[int, Meta(ge=1, le=24 * 31)] = 24
    backups_kept: Annotated[int, Meta(ge=1, le=1_000)] = 7
    archive_dir: str = ""
    compact_days: Annotated[int, Meta(ge=0, le=36_500)] = 0

    @property
    def data(self) -> Path:
        """The folder of the store."""
        return Path(self.data_dir)

    @property
    def keys(self) -> Path:
        """The folder of the key files."""
        return Path(self.key_dir) if self.key_dir else self.data / "keys"

    @property
    def store_path(self) -> Path:
        """The store's file."""
        return self.data / "district.db"

    @property
    def archive_folders(self) -> tuple[Path, ...]:
        """Where archives lie: a folder of their own, and beside the backups."""
        own = Path(self.archive_dir) if self.archive_dir else self.data / "archive"
        return (own, Path(self.backup_dir)) if self.backup_dir else (own,)


ABOUT: dict[str, str] = {
    "data_dir": "存放记录的目录 ‖ folder of the store",
    "key_dir": "密钥文件目录（空：data_dir/keys）‖ folder of the key files (empty: data_dir/keys)",
    "store_dsn": (
        "PostgreSQL 连接串，不含密码（空：data_dir 中的加密文件）‖ "
        "how to reach PostgreSQL, without a password (empty: an encrypted file in data_dir)"
    ),
    "store_district": (
        "PostgreSQL 中本区的模式名 ‖ schema of this district in PostgreSQL: a-z, 0-9, _"
    ),
    "host": "监听的地址 ‖ address to listen on",
    "port": "监听的端口；0 为任选空闲端口 ‖ port to listen on; 0 takes a free one",
    "addresses": (
        "写进登记票的 host:port，最多四个（空：按本机名）‖ "
        "host:port written into tickets, at most four (empty: by this machine's name)"
    ),
    "log_format": "日志格式：json 每行一条，或 text ‖ log as json lines or as text",
    "log_level": "日志级别 ‖ least level that is logged",
    "lang": "命令行和报表的语言 ‖ language of the command line and reports",
    "ticket_minutes": "登记票有效期（分钟）‖ how long a ticket is good",
    "lease_days": (
        "平板多少天不联系即打不开（0：不限）‖ days without contact after which a tablet's store"
        " does not open (0: no limit)"
    ),
    "lease_erase_days": (
        "打不开之后再过多少天抹去密钥（0：不抹）‖ further days after which it erases its keys"
        " (0: never)"
    ),
    "request_bytes_max": (
        "一次同步请求的上限（字节），边收边查 ‖ "
        "one sync request; checked while it arrives, so that memory is bounded"
    ),
    "request_seconds_max": (
        "一次请求传完的时限（秒）‖ a body must arrive within this; slow senders hold a place"
    ),
    "requests_at_once_max": (
        "等待存储的请求数上限，超出者得 503 及再来的秒数 ‖ "
        "requests that may wait for the store; more get 503 and when to come back"
    ),
    "connections_at_once_max": (
        "同时保持的连接数上限，约每条 150 KB 内存 ‖ "
        "connections held at once, some 150 KB of memory each; more get a bare 503"
    ),
    "blob_bytes_max": "一个附件（密文）的上限（字节）‖ one attachment, as ciphertext",
    "blob_piece_bytes_max": (
        "附件每段上限（字节）‖ one piece of an attachment: what a bad line loses"
    ),
    "disk_free_bytes_min": (
        "磁盘剩余少于此值（字节）时拒收上传 ‖ uploads are refused below this much free disk"
    ),
    "disk_free_bytes_alarm": (
        "磁盘剩余少于此值（字节）时报警，仍收上传 ‖ "
        "doctor and metrics give alarm below this much free disk; uploads are still taken"
    ),
    "shutdown_seconds_max": (
        "停止时等待未完请求的时间（秒）‖ how long stopping waits for running requests"
    ),
    "upstream_seconds": (
        "每隔多少秒与上级服务器交换一次；线路不通时也不会等得更久 ‖ "
        "how often the upstream is asked; a link that is down is tried no later"
    ),
    "backup_dir": (
        "服务器自动备份到此目录（空：不自动备份）‖ "
        "folder into which the server itself makes backups (empty: it makes none)"
    ),
    "backup_hours": "每隔多少小时自动备份一次 ‖ hours from one such backup to the next",
    "backups_kept": "保留最近几份自动备份 ‖ how many of them are kept, the newest",
    "archive_dir": (
        "归档文件目录（空：data_dir/archive）‖ folder of archives (empty: data_dir/archive)"
    ),
    "compact_days": (
        "已备份、上级已有且早于这么多天的修改移入归档（0：不移）‖ "
        "changes older than this, backed up and with the upstream, go into archives (0: none)"
    ),
}
"""What each setting is for, 中文 ‖ English, with the reason where it is a limit."""


def about(name: str, lang: str) -> str:
    """What a setting is for, in a language."""
    return pick(ABOUT[name], lang)


def load_settings(
    config: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Put file, environment and flags together.

    Without ``config`` the file named by DOORSTEP_CONFIG, else ``doorstep.toml`` in the folder at
    hand if there is one. Raises ConfigurationWrong, naming the setting.
    """
    environment = os.environ if environment is None else environment
    named = config or environment.get(ENVIRONMENT_PREFIX + "CONFIG")
    values: dict[str, Any] = {}
    if named or Path(CONFIG_NAME).is_file():
        values |= _from_file(Path(named or CONFIG_NAME))
    values |= _from_environment(environment)
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationWrong(str(error)) from error


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationWrong(f"{path.name}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationWrong(f"{path.name}: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if variable.startswith(ENVIRONMENT_PREFIX) and name in kinds:
            # Others of this prefix belong to the tablet's program and to the tests.
            values[name] = _words(text) if name == "addresses" else text
    return values


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def need_store(settings: Settings) -> Settings:
    """The settings, if there is a server in their folder. Raises NotInitialised."""
    there = settings.keys.is_dir() if settings.store_dsn else settings.store_path.is_file()
    if not there:
        raise NotInitialised(str(settings.data))
    return settings
