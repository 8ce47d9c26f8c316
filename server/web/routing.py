# SPDX-License-Identifier: Apache-2.0
"""What every page of the console has in common: who asks, may they, run it, log it, answer.

What lives here: the decorators ``page`` and ``act``, through which every route is made, and the one
path that a request takes. What must not: any page, any rule. Invariants
- A route states the right it needs; there is no other way to make one.
- Pages run on connections that only read; only what ``act`` made writes, in the district's thread.
- What was shown of households is in the access log before it is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.template.base import csrf_token

from server.accounts import Account, find_account
from server.api.replies import TOLD, Answer, error_answer, known_error
from server.area_names import UNNAMED, AreaNames, RememberedAreas
from server.audit_words import value_words
from server.errors import NotFound, ServerError, status_of
from server.logs import Timer, log_fault, log_request
from server.service import Service
from server.store.base import Store, Transaction
from server.web.console import Console
from server.web.errors import FormRefused, RightMissing
from server.web.frame import CONSOLE_HEADERS, MENU, UNDER
from server.web.rendering import render, speaking
from server.web.scoped import Scoped
from server.words import fill, pick

AnyRequest = Request[Any, Any, Any]
PUBLIC, SIGNED_IN = "public", "signed-in"
"""Rights that no role is needed for: anyone; anyone who has signed in wholly."""
TEXT_CHARS_MAX = 4_000
"""One field of a form: a long reason twice over."""
FORM_BYTES_MAX = 256 * 1024
LANG_COOKIE = "__Host-lang"
API = "/v1/"
"""Under this stands what programs ask; answers are no pages there."""


class Shown(NamedTuple):
    """A page: its template and what it is filled with."""

    template: str
    values: dict[str, Any]
    status: int = 200


class Go(NamedTuple):
    """Go to another page of the console, which first says ``flash``."""

    to: str
    flash: str = ""


class Download(NamedTuple):
    """A file; ``inline`` where the browser shows it."""

    body: bytes
    kind: str
    name: str
    inline: bool = False


Result = Shown | Go | Download


class Visit:
    """One request of one person."""

    def __init__(self, request: AnyRequest, account: Account | None, form: dict[str, list[str]]):
        self.request = request
        self.service = cast("Service", request.app.state["service"])
        self.console = cast("Console", request.app.state["console"])
        self.store: Store = self.service.district.store
        self.session: dict[str, Any] = request.session
        self._account = account
        self.form = form
        self.lang = lang_of(request, account)
        self.now_ms = self.service.district.clock()
        self.reads: list[Scoped] = []
        self.cookies: list[Any] = []
        self.purpose = ""
        self.areas = UNNAMED

    @property
    def account(self) -> Account:
        """Who asks. Raises RightMissing where nobody has signed in."""
        if self._account is None:
            raise RightMissing("not signed in")
        return self._account

    @property
    def who(self) -> Account | None:
        """Who asks, if somebody has signed in."""
        return self._account

    @contextmanager
    def scope(self) -> Iterator[Scoped]:
        """What this account sees, for reading."""
        with self.store.read() as tx:
            scoped = self._scoped(tx)
            self.reads.append(scoped)
            yield scoped

    @contextmanager
    def writing(self) -> Iterator[Scoped]:
        """What this account sees, in a transaction that writes the office's tables."""
        with self.store.write() as tx:
            scoped = self._scoped(tx)
            self.reads.append(scoped)
            yield scoped

    def _scoped(self, tx: Transaction) -> Scoped:
        district = self.service.district
        return Scoped(tx, district.schema, self.account, district.fields, self.areas)

    def place(self, code: str) -> str:
        """An area by its name, in what it lies in."""
        return self.areas.words(code, self.lang)

    def value(self, collection: str, field: str, value: Any) -> str:
        """A value as people read it."""
        schema = self.service.district.schema
        return value_words(schema, collection, field, value, self.lang, self.areas)

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A number in the path. Raises NotFound."""
        text = self.param(name)
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise NotFound(name)
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        """What stands behind the question mark, at most 200 characters."""
        return (self.request.query_params.get(name) or default)[:200].strip()

    def query_number(self, name: str) -> int | None:
        """A number behind the question mark; None where there is none."""
        text = self.query(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    def text(self, name: str, chars_max: int = TEXT_CHARS_MAX) -> str:
        """A field of the form, without spaces around it. Raises FormRefused above its limit."""
        found = (self.form.get(name) or [""])[0].strip()
        if len(found) > chars_max:
            raise FormRefused(f"{name}: at most {chars_max} characters")
        return found

    def texts(self, name: str) -> list[str]:
        """All values of a field of the form."""
        return self.form.get(name, [])

    def say(self, text: str, **values: object) -> str:
        """A sentence in the visitor's language."""
        return fill(text, self.lang, **values) if values else pick(text, self.lang)


Work = Callable[[Visit], Result]
Prepare = Callable[[Service], Awaitable[None]]
ROUTES: list[HTTPRouteHandler] = []
"""Every route of the console."""


def lang_of(request: AnyRequest, account: Account | None) -> str:
    """The language of a visit: as chosen, else the account's, else the browser's; zh."""
    chosen = request.cookies.get(LANG_COOKIE) or (account.lang if account else "")
    if chosen in ("zh", "en"):
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh"


def page(
    path: str, right: str, *, sure: bool = False, prepare: Prepare | None = None
) -> Callable[[Work], Work]:
    """Decorator: a page that is read. ``sure``: only soon after a code was asked again.

    ``prepare`` brings up to date what the page reads, before it is run.
    """

    def made(work: Work) -> Work:
        async def handler(request: AnyRequest) -> Response[bytes]:
            if prepare is not None and request.session.get("step") == "in":
                await prepare(cast("Service", request.app.state["service"]))
            return await _serve(request, path, work, right, sure, writes=False)

        handler.__doc__ = work.__doc__
        opt = {"right": right, "sure": sure, "console": True}
        ROUTES.append(get(path, opt=opt, name=f"console {path}", include_in_schema=False)(handler))
        return work

    return made


def act(
    path: str, right: str, *, sure: bool = False, writes: bool = True
) -> Callable[[Work], Work]:
    """Decorator: a form that changes something, or its session alone if not ``writes``."""

    def made(work: Work) -> Work:
        async def handler(request: AnyRequest) -> Response[bytes]:
            return await _serve(request, path, work, right, sure, writes=writes)

        handler.__doc__ = work.__doc__
        opt = {"right": right, "sure": sure, "console": True}
        ROUTES.append(
            post(
                path,
                opt=opt,
                name=f"console POST {path}",
                status_code=200,
                include_in_schema=False,
                request_max_body_size=FORM_BYTES_MAX,
            )(handler)
        )
        return work

    return made


async def _serve(
    request: AnyRequest, route: str, work: Work, right: str, sure: bool, *, writes: bool
) -> Response[bytes]:
    timer = Timer()
    service = cast("Service", request.app.state["service"])
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        sent = await request.form()
        form = {key: [str(v) for v in sent.getall(key)] for key in sent}
    session: dict[str, Any] = request.session

    def whole(store: Store) -> tuple[Visit, Response[bytes]]:
        account, areas = _who(store, session, request.app.state["console"].areas)
        visit = Visit(request, account, form)
        visit.store, visit.areas = store, areas
        try:
            _check(visit, right)
            if sure and session.get("sure_until_ms", 0) < visit.now_ms:
                back = safe_next(visit.text("back", 2_000) or _back(request))
                return visit, _answer(visit, Go(f"/confirm?{urlencode({'next': back})}"))
            return visit, _answer(visit, work(visit))
        except TOLD as error:
            return visit, error_page(request, error, visit)

    try:
        if writes:
            visit, response = await service.run(lambda: whole(service.district.store))
        else:
            visit, response = await service.readers.run(whole)
        lines = visit.reads if visit.who else []
        if any(scoped.reads for scoped in lines):
            await visit.console.seen.keep(
                service, visit.account.id, visit.purpose or route, lines, visit.now_ms
            )
    except TOLD as error:
        response = error_page(request, error)
    log_request(route, Answer(response.status_code or 200, response.content), 0, timer)
    return response


def _who(
    store: Store, session: dict[str, Any], areas: RememberedAreas
) -> tuple[Account | None, AreaNames]:
    """Who asks, and what areas are called for those who have signed in."""
    if session.get("step") != "in":
        return None, UNNAMED
    with store.read() as tx:
        return find_account(tx, str(session["account"])), areas.of(tx)


def _check(visit: Visit, right: str) -> None:
    if right == PUBLIC:
        return
    if visit.who is None:
        raise _NotSignedIn()
    if right != SIGNED_IN and not visit.account.may(right):
        raise RightMissing(right)


class _NotSignedIn(ServerError):
    """Asked for without having signed in: the way leads to the page for that."""


def _back(request: AnyRequest) -> str:
    """Where to go on after a code was asked again: this page, or what a form's address lies under.

    A form that stands on a page with parameters says so in its field ``back``.
    """
    path = request.url.path
    if request.method == "POST":
        return path.rpartition("/")[0] or "/"
    return f"{path}?{request.url.query}" if request.url.query else path


def safe_next(text: str) -> str:
    """A path of this console; anything else is the first page."""
    fine = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if fine and len(text) < 2_000 and "\\" not in text else "/"


def _answer(visit: Visit, result: Result) -> Response[bytes]:
    if isinstance(result, Go):
        if result.flash:
            visit.session["flash"] = result.flash
        return _plain(b"", 303, visit, {"location": result.to})
    if isinstance(result, Download):
        how = "inline" if result.inline else "attachment"
        name = quote(result.name)
        headers = {"content-disposition": f"{how}; filename*=UTF-8''{name}"}
        return _plain(result.body, 200, visit, headers, result.kind)
    body = render(result.template, base(visit) | result.values)
    return _plain(body, result.status, visit, {})


def base(visit: Visit) -> dict[str, Any]:
    """What every page is filled with."""
    request, account = visit.request, visit.who
    path = request.url.path
    menu = [
        (
            to,
            words,
            any(path == at or path.startswith(at + "/") for at in (to, *UNDER.get(to, ()))),
        )
        for to, words, right in MENU
        if account is not None and account.may(right)
    ]
    return speaking(visit.lang, visit.service.district.schema, visit.areas) | {
        "account": account,
        "menu": menu,
        "path": path,
        "here": _back(request) if request.method == "GET" else path,
        "token": csrf_token({"request": request}),
        "flash": visit.session.pop("flash", "") if account else "",
        "now_ms": visit.now_ms,
        "query": dict(request.query_params.items()),
    }


def _plain(
    body: bytes,
    status: int,
    visit: Visit | None,
    headers: dict[str, str],
    kind: str = "text/html",
) -> Response[bytes]:
    cookies = visit.cookies if visit else []
    return Response(
        body,
        status_code=status,
        headers=CONSOLE_HEADERS | headers,
        media_type=kind,
        cookies=cookies,
    )


def error_page(
    request: AnyRequest, error: BaseException, visit: Visit | None = None
) -> Response[bytes]:
    """An error as a page: what happened, what was kept, what to do."""
    if request.url.path.startswith(API):
        # A program asks: it is told in the form of all endpoints.
        refused = RightMissing() if isinstance(error, _NotSignedIn) else error
        told = error_answer(refused, as_json=True)
        return _plain(told.body, told.status, None, {}, "application/json")
    if isinstance(error, _NotSignedIn):
        back = urlencode({"next": _back(request)})
        return _plain(b"", 303, None, {"location": f"/sign-in?{back}"})
    known: Any = known_error(error)
    if known is None:
        log_fault(error, ServerError.code)
    shown = known or ServerError()
    visit = visit or Visit(request, None, {})
    values = base(visit) | {
        "message": shown.message(visit.lang),
        "code": shown.code,
        "detail": shown.detail if known else "",
    }
    return _plain(render("error.html", values), status_of(shown), visit, {})
