# SPDX-License-Identifier: Apache-2.0
"""What all pages share: words, the shell around a page, forms that come back, where to go next.

What lives here: rendering and reading of requests. What must not: any page's own content.
Invariants: a form's bytes stay in memory (a photo must not lie in a temporary file); addresses and
titles hold ids and words of the program, never of a person, since browsers remember both; every
change answers with a redirect, so that no form lies in the history.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec
from urllib.parse import parse_qsl

import multipart
from anyio import to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Response

from client_sdk.app.gate import Gate
from client_sdk.app.keeper import Keeper
from client_sdk.app.phones import Phones
from client_sdk.app.syncing import REFUSALS
from client_sdk.app.texts import TEXTS
from client_sdk.app.texts_entry import ENTRY
from client_sdk.app.texts_near import NEAR
from client_sdk.errors import TabletError
from client_sdk.tablet import Tablet
from client_sdk.tablet_day import Standing
from client_sdk.texts import Words
from sync import labels
from sync.effects import UTC_OFFSET_HOURS
from sync.schema import Schema

FOLDER = Path(__file__).parent
HTML = "text/html; charset=utf-8"
BODY_BYTES_MAX = 32 * 1024 * 1024
"""A photo as cameras make them, and a sound of some minutes; both are made smaller here."""
PARTS_MAX = 400
CATALOGUE = {**TEXTS, **ENTRY, **NEAR}
LEASE_TOLD_MS = 3 * 86_400_000
"""From here on each page says how long the store still opens: over a weekend somebody syncs."""

_P = ParamSpec("_P")
_Request = Request[Any, Any, Any]


class Upload(NamedTuple):
    """A file that came with a form."""

    name: str
    media_type: str
    data: bytes


class Form:
    """A submitted form: names may come several times."""

    def __init__(self, pairs: Iterable[tuple[str, str]], files: dict[str, Upload]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        self.files = files

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def one(self, name: str) -> str:
        """The last value of a name, without the spaces around it; empty where there is none."""
        found = self._values.get(name)
        return found[-1].strip() if found else ""

    def all(self, name: str) -> list[str]:
        """All values of a name that are not empty."""
        return [v for v in self._values.get(name, []) if v.strip()]

    def plain(self) -> dict[str, list[str]]:
        """Everything but files, to be kept as a draft."""
        return {name: list(values) for name, values in self._values.items()}


class Desk:
    """What the handlers work with; one for each running app."""

    def __init__(self, keeper: Keeper, lang: str = "zh", phones: Phones | None = None) -> None:
        self.keeper = keeper
        self.phones = phones
        """The phones let in, where this is the tablet's own browser."""
        self.gate: Gate | None = None
        self.lang = lang
        self.back_to = "/"
        """Where the worker was when it locked: after the PIN it goes on there."""
        self.question = ""
        """The last search: it stands in no address, so that no history holds it."""
        self.said: list[tuple[str, str]] = []
        """Sentences for the next page: (kind, text)."""
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.engine = JinjaTemplateEngine(engine_instance=environment)
        self.static = {
            path.name: path.read_bytes() for path in sorted((FOLDER / "static").iterdir())
        }
        marks = hashlib.sha256(b"".join(self.static.values())).hexdigest()[:12]
        self.version = marks

    @property
    def words(self) -> Words:
        """The pages' texts in the language of the moment."""
        return Words(self.lang, CATALOGUE)

    @property
    def base(self) -> str:
        """The path under which the pages lie."""
        return self.gate.base if self.gate else ""

    # -- answering ----------------------------------------------------------------------------

    def page(
        self, page: str, tablet: Tablet | None = None, /, *, status: int = 200, **context: Any
    ) -> Response[str]:
        """Render a page; with a tablet its strip stands on it."""
        words = self.words
        standing = tablet.standing() if tablet else None
        shell = {
            "w": words,
            "lang": self.lang,
            "base": self.base,
            "version": self.version,
            "standing": standing,
            "lease_left": lease_left(standing, words) if standing else "",
            "now_ms": self.keeper.clock(),
            "moment": moment,
            "when": lambda at_ms: when(at_ms, self.keeper.clock(), words),
            "schema": Labels(tablet.schema, self.lang) if tablet else None,
            "said": self.said,
            "syncing": self.keeper.syncing.running,
            "hidden_ms": 0,
        }
        self.said = []
        text = self.engine.get_template(page).render({**shell, **context})
        return Response(text, media_type=HTML, status_code=status)

    def go(self, path: str) -> Response[Any]:
        """Send the browser to another page."""
        return Redirect(self.base + path, status_code=303)

    def say(self, key: str, kind: str = "good", **values: object) -> None:
        """A sentence for the next page."""
        self.said.append((kind, self.words(key, **values)))

    def tell(self, error: Exception) -> None:
        """An error's sentences for the next page."""
        self.said.append(("bad", sentences(error, self.lang)))

    def with_tablet(self, work: Callable[[Tablet], Response[Any]]) -> Response[Any]:
        """Do something with the open tablet. Raises Locked, which leads to the PIN."""
        with self.keeper.tablet() as tablet:
            return work(tablet)


Work = Callable[[Desk, Tablet, Form], Response[Any] | None]
"""What a form does with the open tablet."""


def sentences(error: Exception, lang: str) -> str:
    """What happened, what was kept, what to do; and the code."""
    message = getattr(error, "message", None)
    text = message(lang) if callable(message) else TabletError().message(lang)
    return f"{text} [{getattr(error, 'code', 'tablet/error')}]"


def going_on(page: Response[Any], *, running: bool) -> Response[Any]:
    """A part of a page that the script asks for again while something runs, and no longer."""
    page.set_header("doorstep-running", "1" if running else "0")
    return page


def desk_of(request: _Request) -> Desk:
    """The desk of the app that was asked."""
    found: Desk = request.app.state.desk
    return found


def in_thread(
    work: Callable[_P, Response[Any]],
) -> Callable[_P, Coroutine[Any, Any, Response[Any]]]:
    """A handler that runs in a worker thread, since the tablet waits for its disk.

    Litestar's own ``sync_to_thread`` breaks where two methods share a path.
    """

    @functools.wraps(work)
    async def handler(*args: _P.args, **kwargs: _P.kwargs) -> Response[Any]:
        return await to_thread.run_sync(functools.partial(work, *args, **kwargs))

    return handler


async def posted(request: _Request, work: Callable[[Desk, Form], Response[Any]]) -> Response[Any]:
    """Read a form and work on it in a thread. The tablet must be unlocked when it comes in."""
    desk = desk_of(request)
    body = await request.body()
    kind = request.headers.get("content-type", "")
    form = await to_thread.run_sync(read_form, kind, body)
    return await to_thread.run_sync(work, desk, form)


def acts(
    back: str | Callable[[Form], str],
) -> Callable[[Work], Callable[[_Request], Coroutine[Any, Any, Response[Any]]]]:
    """A handler of a form that does something with the open tablet, and leads ``back``.

    What is refused is told on the page that comes then. Where ``work`` answers, that is the answer.
    """

    def decorate(work: Work) -> Callable[[_Request], Coroutine[Any, Any, Response[Any]]]:
        def done(desk: Desk, form: Form) -> Response[Any]:
            answer: Response[Any] | None = None
            with desk.keeper.tablet() as tablet:
                try:
                    answer = work(desk, tablet, form)
                except REFUSALS as error:
                    desk.tell(error)
            return answer or desk.go(back if isinstance(back, str) else back(form))

        async def handler(request: _Request) -> Response[Any]:
            return await posted(request, done)

        handler.__name__, handler.__doc__ = work.__name__, work.__doc__
        return handler

    return decorate


def read_form(kind: str, body: bytes) -> Form:
    """A form's values and files, all in memory. Raises TabletError for what is no form."""
    if not kind.startswith("multipart/form-data"):
        text = body.decode("utf-8", "replace")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=PARTS_MAX), {})
    pairs: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    _, options = multipart.parse_options_header(kind)
    try:
        with multipart.PushMultipartParser(
            options.get("boundary", ""), max_segment_count=PARTS_MAX
        ) as parser:
            for segment, data in _segments(parser, body):
                if segment.filename is None:
                    pairs.append((segment.name, data.decode("utf-8", "replace")))
                elif data:
                    media = segment.content_type or ""
                    files[segment.name] = Upload(segment.filename, media, data)
    except multipart.MultipartError as error:
        raise TabletError("form") from error
    return Form(pairs, files)


def _segments(parser: Any, body: bytes) -> Iterable[tuple[Any, bytes]]:
    segment: Any = None
    parts: list[bytes] = []
    for event in (*parser.parse(body), *parser.parse(b"")):
        if isinstance(event, multipart.MultipartSegment):
            segment, parts = event, []
        elif event:
            parts.append(bytes(event))
        elif segment is not None:
            yield segment, b"".join(parts)


# -- what templates say -----------------------------------------------------------------------


class Labels:
    """Words for fields and values, for templates."""

    def __init__(self, schema: Schema, lang: str) -> None:
        self._schema = schema
        self._lang = lang

    def collection(self, name: str) -> str:
        """What a kind of record is called."""
        declared = self._schema.collections.get(name)
        return declared.label.text(self._lang) if declared else name

    def field(self, collection: str, name: str) -> str:
        """What a field is called."""
        label = self._schema.field(collection, name).label
        return label.text(self._lang) if label else name

    def value(self, collection: str, name: str, value: Any) -> str:
        """A value as people read it, with its unit."""
        field = self._schema.field(collection, name)
        if field.kind == "time" and isinstance(value, int):
            return moment(value)
        text = labels.shown(field, value, self._lang)
        if text and field.kind in ("integer", "number") and field.unit:
            unit = UNITS.get(field.unit, (field.unit, field.unit))[self._lang == "en"]
            return f"{text} {unit}"
        return text

    def each(self, collection: str, name: str, values: Any) -> list[str]:
        """The labels of a set, one by one."""
        many = values if isinstance(values, list) else []
        return [self.value(collection, name, one) for one in many]


CHINA = timezone(timedelta(hours=UTC_OFFSET_HOURS))
"""A working day is a day in China, whatever zone a tablet was left in."""
UNITS = {
    "fen": ("元", "yuan"),
    "min": ("分钟", "min"),
    "h": ("小时", "h"),
    "d": ("天", "days"),
    "kg": ("公斤", "kg"),
    "bytes": ("字节", "bytes"),
}


def moment(at_ms: int) -> str:
    """A time as people read it, in China's; far-off clocks too."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, CHINA).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return str(at_ms)


def when(at_ms: int, now_ms: int, words: Words) -> str:
    """A time as it is said: today at …, else the day."""
    text = moment(at_ms)
    return words("today-at", time=text[11:]) if text[:10] == moment(now_ms)[:10] else text


def lease_left(standing: Standing, words: Words) -> str:
    """How long the store opens without contact, where that is worth a warning; else empty."""
    left_ms, whole_ms = standing.lease_left_ms, standing.lease_ms
    if left_ms is None or whole_ms is None or left_ms > min(LEASE_TOLD_MS, whole_ms // 2):
        return ""
    hours = left_ms // 3_600_000
    return words("days", count=hours // 24) if hours >= 48 else words("hours", count=hours)


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count} B" if count < 1024 else f"{count / 1024:,.0f} KB"
