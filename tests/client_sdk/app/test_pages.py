# SPDX-License-Identifier: Apache-2.0
"""The pages over HTTP: visits, drafts, corrections, generated forms, photos, words."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from client_sdk.app import media
from client_sdk.app.desk import CATALOGUE, size
from client_sdk.app.household import NEW
from client_sdk.tablet import Tablet
from fixtures.tablet_app import WORKER, Held, Serving, Visitor, served
from fixtures.waiting import WAIT_SECONDS_MAX
from sync.carry.stick import read_stick
from sync.collections import SCHEMA
from tests.client_sdk.test_texts import placeholders

TEMPLATES = Path(media.__file__).parent / "templates"


@pytest.fixture
def worker(visitor: Visitor) -> Visitor:
    visitor.unlock()
    return visitor


def draft_of(text: str) -> str:
    found = re.search(r"/visit/([\w-]{22})", text)
    assert found
    return found[1]


def tablet_of(pages: Serving) -> Tablet:
    found = pages.app.keeper._shared.tablet
    assert found is not None
    return found


def test_one_tap_says_all_is_well(worker: Visitor, pages: Serving, held: Held) -> None:
    home = held.homes[2]
    draft = draft_of(worker.get(f"/home/{home}/visit").text)
    answer = worker.post(f"/home/{home}/visit/{draft}", {"quick": "well", "mode": "door"})
    assert answer.url.path.endswith(f"/saved/{draft}")
    visit = tablet_of(pages).read(draft)
    assert (visit["outcome"], visit["mood"], visit["workers"]) == ("met", "good", [WORKER])
    assert tablet_of(pages).agenda().counts["done"] == 1
    assert tablet_of(pages).drafts() == []


def test_a_visit_holds_what_was_tapped_and_opens_what_is_needed(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[2]
    draft = draft_of(worker.get(f"/home/{home}/visit").text)
    form = {
        "quick": "",
        "mode": "door",
        "outcome": "met",
        "shortages": ["medicine", "rice"],
        "degrees": "37",
        "tenths": "3",
        "blood_pressure": "１３０/８０",
        "gps": "23.129110,113.264385",
        "needs": ["repair"],
        "urgency": "urgent",
        "phrase": ["按时服药。"],
        "notes": "想要一张轮椅。",
    }
    worker.post(f"/home/{home}/visit/{draft}", form)
    visit = tablet_of(pages).read(draft)
    assert visit["temperature_c"] == 37.3
    assert visit["blood_pressure"] == "130/80"
    assert visit["gps"] == "23.129110,113.264385"
    assert visit["notes"] == ["按时服药。", "想要一张轮椅。"]
    kept = tablet_of(pages).listed(home, "need", "shortage")
    (need,) = [n for n in kept["need"] if n.values["kind"] == "repair"]
    assert (need.values["visit"], need.values["urgency"]) == (draft, "urgent")
    assert {g for s in kept["shortage"] for g in s.values["goods"]} == {"medicine", "rice"}
    # The button pressed twice, or the app killed before it forgot the draft.
    written = tablet_of(pages).status().written
    worker.post(f"/home/{home}/visit/{draft}", form)
    assert tablet_of(pages).status().written == written


def test_a_value_that_may_not_be_keeps_all_that_was_entered(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[2]
    draft = draft_of(worker.get(f"/home/{home}/visit").text)
    form = {"outcome": "met", "mode": "door", "blood_pressure": "high", "notes": "量了两次"}
    answer = worker.post(f"/home/{home}/visit/{draft}", form)
    assert answer.status_code == 400
    assert "量了两次" in answer.text
    assert "写法不对" in answer.text
    assert not tablet_of(pages).holds(draft)
    assert "请选一项" in worker.post(f"/home/{home}/visit/{draft}", {"notes": "x"}).text


def test_what_was_entered_outlives_the_program(held: Held) -> None:
    home = held.homes[2]
    with served(held.keeper()) as pages, Visitor(pages) as worker:
        worker.unlock()
        draft = draft_of(worker.get(f"/home/{home}/visit").text)
        form = {"outcome": "met", "notes": "说到一半"}
        worker.post(f"/home/{home}/visit/{draft}/keep", form)
    with served(held.keeper()) as pages, Visitor(pages) as worker:
        worker.unlock()
        assert "没填完" in worker.get("/").text
        again = worker.get(f"/home/{home}/visit").text
        assert draft_of(again) == draft
        assert "说到一半" in again
        assert 'value="met" checked' in again


def test_a_mistaken_visit_is_corrected_with_a_reason_or_voided(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[2]
    draft = draft_of(worker.get(f"/home/{home}/visit").text)
    worker.post(f"/home/{home}/visit/{draft}", {"quick": "well"})
    before = tablet_of(pages).status().written
    worker.post(
        f"/record/{draft}/edit",
        {"asked": ["outcome", "services"], "outcome": "by_other", "services": ["meal"]}
        | {"reason": "按错了"},
    )
    visit = tablet_of(pages).read(draft)
    assert (visit["outcome"], visit["services"]) == ("by_other", ["meal"])
    assert tablet_of(pages).status().written == before + 2
    worker.post(f"/record/{draft}/void", {"reason": ""})
    assert not tablet_of(pages).read(draft).voided
    worker.post(f"/record/{draft}/void", {"reason": "不是这一户"})
    assert tablet_of(pages).read(draft).void_reason == "不是这一户"


def small_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "JPEG")
    return out.getvalue()


SMALL_PHOTO = small_photo()
MINIMAL = {
    "person": {"name": "梁伯"},
    "need": {"kind": "gas", "status": "open"},
    "parcel": {"goods": ["rice"], "rice_kg": "5", "status": "handed_over"},
    "call": {"status": "done", "outcome": "fine"},
    "assessment": {"grade": "poor", "reasons": ["alone"]},
    "child_check": {"mode": "door", "safety": "safe", "child_seen": "yes"},
    "referral": {"to_kind": "health", "status": "sent"},
    "daily_form": {"on": "2026-06-09", "health": "well"},
    "wish": {"kind": "book", "text": "一本字典", "status": "told"},
    "guardian_notice": {"guardian": "陈桂兰", "status": "delivered"},
}


@pytest.mark.parametrize("collection", [name for name in NEW if name != "consent"])
def test_every_form_that_is_offered_makes_its_record(
    worker: Visitor, pages: Serving, held: Held, collection: str
) -> None:
    home = held.homes[3]
    page = worker.get(f"/home/{home}/new/{collection}").text
    action = re.search(rf'action="[^"]*(/home/{home}/new/{collection}/[\w-]+)"', page)
    assert action
    photo = ("a.jpg", SMALL_PHOTO) if collection == "parcel" else ("", b"")
    answer = worker.post(action[1], MINIMAL[collection], files={"photo": photo})
    assert answer.status_code == 200, re.sub("<[^>]+>", "", answer.text)
    (made,) = tablet_of(pages).listed(home, collection)[collection][-1:]
    for field, value in MINIMAL[collection].items():
        shown = made.values[field]
        assert shown in (value, int(value) if str(value).isdigit() else value == "yes")
    assert made.values["household"] == home


def test_only_what_is_signed_has_a_glass_and_it_says_what_is_signed(
    worker: Visitor, held: Held
) -> None:
    said = {"parcel": "以上物品已收到", "guardian_notice": "知道自己的责任"}
    for collection in NEW:
        page = worker.get(f"/home/{held.homes[3]}/new/{collection}").text
        signed = "signature" in SCHEMA.collections[collection].fields
        assert ('class="glass"' in page) is signed, collection
        assert said.get(collection, "") in page
        assert ("本人同意记录" in page) is False


def test_a_photo_stays_with_a_parcel_that_was_not_right_at_the_first_try(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[3]
    page = worker.get(f"/home/{home}/new/parcel").text
    action = re.search(rf'action="[^"]*(/home/{home}/new/parcel/[\w-]+)"', page)
    assert action
    form = {**MINIMAL["parcel"], "goods": []}
    refused = worker.post(action[1], form, files={"photo": ("a.jpg", SMALL_PHOTO)})
    assert refused.status_code == 400
    assert "已附 1 个文件" in refused.text
    # The second time no photo is sent: the first is still the parcel's.
    worker.post(action[1], MINIMAL["parcel"])
    kept = tablet_of(pages).listed(home, "parcel", "attachment")
    (parcel,), (photo,) = kept["parcel"], kept["attachment"]
    assert parcel.values["photos"] == [photo.id]


def test_what_was_so_the_last_time_is_taken_over_with_one_tap_but_nothing_measured(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[0]
    with pages.app.keeper.tablet() as tablet:
        people = [hit.id for hit in tablet.listed(home, "person")["person"]]
        visit = {"household": home, "at_ms": 3_000_000_000_000, "mode": "door", "outcome": "met"}
        done = {"persons": people[:2], "services": ["meal", "company"], "minutes": 25}
        tablet.create_record("visit", {**visit, **done, "temperature_c": 36.9})
        # A door that stayed shut since then has nothing to offer.
        later = {**visit, "at_ms": 4_000_000_000_000, "outcome": "not_opened"}
        tablet.create_record("visit", later)
    page = worker.get(f"/home/{home}/visit").text
    offered = dict(re.findall(r'data-take="(\w+)" data-values="([^"]*)"', page))
    assert set(offered["services"].split(",")) == {"company", "meal"}
    assert (offered["minutes"], set(offered)) == ("25", {"persons", "services", "minutes"})
    assert set(offered["persons"].split(",")) == set(people[:2])
    assert "与上次一样：25 分钟" in page


def test_a_new_household_lies_in_the_area_of_the_others(worker: Visitor, pages: Serving) -> None:
    page = worker.get("/home/-/new/household").text
    action = re.search(r'action="[^"]*(/home/-/new/household/[\w-]+)"', page)
    area = re.search(r'name="area" value="(\d+)"', page)
    assert action
    assert area
    form = {"area": area[1], "address": "龙津东路9号", "head_name": "黄玉梅"}
    answer = worker.post(action[1], {**form, "monthly_income_fen": "１２００.５０"})
    assert "黄玉梅" in answer.text
    (stop,) = tablet_of(pages).stops([h.id for h in tablet_of(pages).search("hym")])
    assert tablet_of(pages).read(stop.home)["monthly_income_fen"] == 120_050


def test_a_search_leaves_no_question_in_any_address(worker: Visitor, held: Held) -> None:
    name = re.search(r"<h1>(.+?)</h1>", worker.get(f"/home/{held.homes[0]}").text)
    assert name
    answer = worker.post("/search", {"q": name[1]})
    assert answer.url.query == b""
    assert name[1] in answer.text


def test_a_conflict_is_settled_at_the_door_with_how_it_is_known(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[0]
    page = worker.get(f"/home/{home}").text
    assert "12600000001" in page
    assert "12600000002" in page
    assert "请选一项" in worker.post(f"/settle/{home}/phone", {}).text
    form = {"value": "other", "phone": "12600000003", "how": "当面问过"}
    answer = worker.post(f"/settle/{home}/phone", form)
    assert "已处理" in answer.text
    shown = tablet_of(pages).read(home).fields["phone"]
    assert (shown.value, shown.conflict) == ("12600000003", False)


def test_a_third_value_is_chosen_as_in_any_form_and_no_page_shows_one_value_alone(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[0]
    assert held.mate
    folder, key = held.mate
    with (
        pages.app.keeper.tablet() as tablet,
        Tablet.open_with(folder, key, worker="w-mate") as mate,
    ):
        tablet.edit(home, housing="lift")
        mate.edit(home, housing="no_lift")
        tablet.meet(mate)
    for path in (f"/record/{home}", f"/home/{home}", "/conflicts"):
        page = worker.get(path).text
        assert "12600000001" in page, path
        assert "12600000002" in page, path
    edit = worker.get(f"/record/{home}/edit").text
    assert f"/settle/{home}/phone" in edit
    assert "“电话”有不同的值" in edit
    page = worker.get(f"/settle/{home}/housing").text
    choices = SCHEMA.collections["household"].fields["housing"].choices or ()
    assert all(f'name="housing" value="{one.value}"' in page for one in choices)
    # Written without saying "neither" first, it is the third value all the same.
    worker.post(f"/settle/{home}/housing", {"housing": choices[-1].value, "because": "看到了"})
    assert tablet_of(pages).read(home)["housing"] == choices[-1].value


def test_buildings_are_walked_in_the_order_that_was_set(worker: Visitor, pages: Serving) -> None:
    before = [b.name for b in tablet_of(pages).agenda().buildings]
    worker.post("/route", {"at": "2", "step": "first"})
    after = [b.name for b in tablet_of(pages).agenda().buildings]
    assert after == [before[2], before[0], before[1], *before[3:]]
    worker.post("/route", {"at": "0", "step": "up"})
    assert [b.name for b in tablet_of(pages).agenda().buildings] == after


def test_no_title_and_no_address_names_a_person(worker: Visitor, held: Held) -> None:
    names = {str(h) for h in re.findall(r"<strong>([^<]{2,4})</strong>", worker.get("/").text)}
    assert names
    for path in ("/", f"/home/{held.homes[0]}", f"/record/{held.homes[0]}", "/day"):
        page = worker.get(path).text
        title = re.search("<title>(.*?)</title>", page)
        assert title
        assert not any(name in title[1] for name in names)
        links = "".join(re.findall(r'(?:href|action)="([^"]*)"', page.replace("tel:", "")))
        assert not any(name in links for name in names)


def test_photos_wait_when_told_so_and_their_size_is_shown_before(
    worker: Visitor, pages: Serving, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    syncing = pages.app.keeper.syncing
    monkeypatch.setattr(syncing, "_run", asked.append)
    with pages.app.keeper.tablet() as tablet:
        tablet.attach(SMALL_PHOTO * 8, household=held.homes[2], media_type="image/jpeg")
        sizes = tablet.sizes()
    everything = f"约 {size(sizes.change_bytes + sizes.blob_bytes)}"
    page = worker.get("/sync").text
    assert f"现在同步（{everything}）" in page
    syncing.is_auto = True
    for wait in ("1", ""):
        worker.post("/settings/blobs", {"wait": wait})
        syncing._tried_ms = 0
        worker.client.post(worker.base + "/sync/signal", headers={"origin": pages.url})
        syncing.wait(WAIT_SECONDS_MAX)
    assert asked == [False, True]
    worker.post("/settings/blobs", {"wait": "1"})
    assert f"连照片一起（{everything}）" in worker.get("/sync").text


def test_work_goes_out_by_stick_sealed_and_foreign_files_are_refused(
    worker: Visitor, pages: Serving, tmp_path: Path
) -> None:
    answer = worker.post("/stick/write", {})
    assert answer.headers["content-disposition"].startswith("attachment")
    assert len(answer.content) > 1_000
    assert "陈".encode() not in answer.content
    saved = re.search('filename="([^"]+)"', answer.headers["content-disposition"])
    assert saved
    (tmp_path / saved[1]).write_bytes(answer.content)
    office = tablet_of(pages).district_replica
    assert read_stick(tmp_path, office).bundles == [answer.content]
    before = tablet_of(pages).status()
    file = {"stick": ("a.bundle", answer.content[:-1])}
    assert "said bad" in worker.post("/stick/read", {}, files=file).text
    assert "said bad" in worker.post("/stick/read", {}, files={"stick": ("", b"")}).text
    assert tablet_of(pages).status() == before


# -- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_every_text_of_the_pages_has_both_languages_and_the_same_places(key: str) -> None:
    zh, en = CATALOGUE[key]
    assert zh
    assert en
    assert placeholders(zh) == placeholders(en)


def test_every_text_of_the_catalogue_is_said_somewhere() -> None:
    folder = TEMPLATES.parent
    said = "".join(p.read_text("utf-8") for p in TEMPLATES.glob("*.html"))
    said += "".join(p.read_text("utf-8") for p in folder.glob("*.py") if "texts" not in p.name)
    prefixes = {"part-", "part-empty-", "due-", "did-", "phrase-", "place-", "log-"}
    kinds = {"photo-kept", "sound-kept", "signature-kept"}
    unsaid = [
        key
        for key in CATALOGUE
        if f'"{key}"' not in said
        and f"'{key}'" not in said
        and key not in kinds
        and not any(key.startswith(p) and f'"{p}' in said for p in prefixes)
    ]
    assert unsaid == []


def test_the_pages_speak_english_when_asked(worker: Visitor) -> None:
    answer = worker.post("/language", {"lang": "en", "back": "/"})
    assert 'lang="en"' in answer.text
    assert "Today" in answer.text
    assert "//evil" not in str(worker.post("/language", {"lang": "en", "back": "//evil"}).url)


def test_forms_come_from_the_declarations_alone() -> None:
    assert set(NEW) <= set(SCHEMA.collections)
