# SPDX-License-Identifier: Apache-2.0
"""Several writings with all that they bring, as one batch: one writing a record."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from sync.behaviour import Fill, Follows, Opens, Step
from sync.change import ADD, APPEND, COUNT, REMOVE, VOID
from sync.effects import Moment, Writing, filled, keyed_id
from sync.schema import Collection, Field, Label, Schema
from sync.together import Held, Together, together

MOMENT = Moment(1_780_963_200_000, "w1")


def fields(**policies: str) -> dict[str, Field]:
    return {name: Field(policy=policy, kind="any") for name, policy in policies.items()}


def collection(name: str, made_of: dict[str, Field], **behaviour: Any) -> Collection:
    return Collection(name=name, label=Label(zh=name), fields=made_of, **behaviour)


SCHEMA = Schema(
    {
        one.name: one
        for one in (
            collection(
                "visit",
                fields(status="ask", by="union", seen="sum", log="append", at="latest", need="ask"),
                fills=(
                    Fill(
                        why="made",
                        sets={"at": "@now"},
                        adds={"by": "@worker"},
                        firsts={"log": "=status"},
                    ),
                    Fill(why="counted", field="status", values=("met",), counts={"seen": 1}),
                ),
                opens=(
                    Opens(
                        why="poor",
                        field="status",
                        values=("poor",),
                        collection="need",
                        key=("=home",),
                        sets={"status": "open", "from": "@record"},
                        adds={"visits": "@record"},
                    ),
                ),
                follows=(
                    Follows(
                        why="solved",
                        field="status",
                        values=("solved",),
                        link="need",
                        sets={"status": "closed"},
                    ),
                ),
            ),
            collection(
                "need",
                fields(status="ask", visits="union") | {"from": Field(kind="any")},
                opens=(
                    Opens(
                        why="chained",
                        field="status",
                        values=("open",),
                        collection="note",
                        key=("@record",),
                        sets={"text": "=status"},
                    ),
                ),
                steps=(Step(why="first", values=("closed",), after=("open",), needs=("from",)),),
            ),
            collection("note", fields(text="ask")),
            collection("keyed", fields(home="ask", text="ask"), one_per=("home",)),
        )
    }
)


class Store:
    """What is held; ``asked`` names every record that was looked for."""

    def __init__(self, **held: Held) -> None:
        self.held = held
        self.asked: list[str] = []

    def __call__(self, record: str) -> Held | None:
        self.asked.append(record)
        return self.held.get(record)


def new_ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"new {next(numbers)}"


def run(*writings: Writing, **held: Held) -> list[Writing]:
    out, problems = together(SCHEMA, writings, Store(**held), MOMENT, new_ids())
    assert problems == []
    return out


def w(collection: str, record: str | None, *others: Any, **sets: Any) -> Writing:
    return Writing(collection, record, sets, list(others))


def test_a_new_record_has_what_its_making_fills_in_by_the_way_its_fields_merge() -> None:
    (made,) = run(w("visit", "v", status="x"))
    assert made.sets == {"status": "x", "at": MOMENT.now_ms}
    assert sorted(made.others) == [(ADD, "by", ["w1"]), (APPEND, "log", ["x"])]
    # What was given is not filled in.
    (made,) = run(w("visit", "v", (ADD, "by", ["w9"]), (APPEND, "log", ["y"]), at=5, status="x"))
    assert made.sets == {"status": "x", "at": 5}
    assert made.others == [(ADD, "by", ["w9"]), (APPEND, "log", ["y"])]
    # Taking something away gives nothing.
    (made,) = run(w("visit", "v", (REMOVE, "by", ["w9"]), status="x"))
    assert (ADD, "by", ["w1"]) in made.others


def test_a_record_that_is_held_is_not_made_again() -> None:
    (edited,) = run(w("visit", "v", status="x"), v=Held("visit", {"status": "y"}))
    assert edited == w("visit", "v", status="x")


def test_a_new_record_has_a_new_id_only_where_something_may_have_to_refer_to_it() -> None:
    ids = [one.record for one in run(w("visit", None, status="x"), w("note", None, text="t"))]
    assert ids == ["new 1", None]
    assert [one.record for one in run(w("visit", "v", status="x"))] == ["v"]


def test_a_record_that_there_is_one_of_per_key_is_written_under_the_id_of_its_key() -> None:
    key = keyed_id("keyed", ["h1"])
    assert run(w("keyed", None, home="h1", text="a")) == [w("keyed", key, home="h1", text="a")]
    held = {key: Held("keyed", {"home": "h1", "text": "b"})}
    assert run(w("keyed", None, home="h1", text="a"), **held)[0].record == key
    twice = run(w("keyed", None, home="h1", text="a"), w("keyed", None, home="h1", text="b"))
    assert twice == [w("keyed", key, home="h1", text="b")]


def test_what_a_writing_opens_and_what_follows_from_it_come_after_all_that_was_given() -> None:
    need = keyed_id("need", [""])
    out = run(w("visit", "v", status="poor"), w("note", "n", text="t"))
    assert [one.collection for one in out] == ["visit", "note", "need", "note"]
    assert out[2] == Writing(
        "need", need, {"status": "open", "from": "v"}, [(ADD, "visits", ["v"])]
    )
    assert out[3] == w("note", keyed_id("note", [need]), text="open")
    closed = run(
        w("visit", "v", status="solved", need="d"),
        v=Held("visit", {"status": "x"}),
        d=Held("need", {"status": "open", "from": "v"}),
    )
    assert closed == [w("visit", "v", status="solved", need="d"), w("need", "d", status="closed")]


def test_what_two_writings_of_a_batch_open_is_opened_once() -> None:
    out = run(w("visit", "v1", status="poor"), w("visit", "v2", status="poor"))
    needs = [one for one in out if one.collection == "need"]
    assert len(needs) == 1
    assert needs[0].sets == {"status": "open", "from": "v1"}
    assert needs[0].others == [(ADD, "visits", ["v1", "v2"])]
    assert len(out) == 4


def test_nothing_follows_on_what_is_not_held_or_void() -> None:
    given = w("visit", "v", status="solved", need=["d", "gone"])
    made = run(given, v=Held("visit", {}), d=Held("need", {"status": "open"}, voided=True))
    assert made == [given]
    made = run(given, v=Held("visit", {}), d=Held("need", {"status": "open"}))
    assert [one.record for one in made] == ["v", "d"]


def test_what_fields_fill_in_counts_once_and_by_what_was_shown() -> None:
    visit = Held("visit", {"status": "shut"})
    assert run(w("visit", "v", status="met"), v=visit) == [
        w("visit", "v", (COUNT, "seen", 1), status="met")
    ]
    met = Held("visit", {"status": "met"})
    assert run(w("visit", "v", status="met"), v=met) == [w("visit", "v", status="met")]
    # Two writings in a batch: the second is no more news.
    twice = run(w("visit", "v", status="met"), w("visit", "v", status="met"), v=visit)
    assert twice == [w("visit", "v", (COUNT, "seen", 1), status="met")]


def test_a_step_that_may_not_be_taken_yet_is_told() -> None:
    store = Store(d=Held("need", {"status": "found", "from": "v"}))
    out, problems = together(SCHEMA, [w("need", "d", status="closed")], store, MOMENT, new_ids())
    assert [one.code for one in problems] == ["value/step-order"]
    assert out == [w("need", "d", status="closed")]
    _, problems = together(
        SCHEMA,
        [w("need", "d", status="closed"), w("need", "e", status="closed")],
        Store(),
        MOMENT,
        new_ids(),
    )
    assert [one.code for one in problems] == ["value/step-needs"] * 2
    # What the same batch wrote before counts.
    batch = [w("need", "d", **{"from": "v"}), w("need", "d", status="closed")]
    assert run(*batch, d=Held("need", {})) == [w("need", "d", **{"from": "v", "status": "closed"})]


def test_a_void_and_what_is_not_declared_are_taken_as_they_are() -> None:
    void = Writing("visit", "v", {}, [(VOID, "", "twice")])
    assert run(void) == [void]
    strange = w("of a newer program", "x", status="poor")
    assert run(strange) == [strange]


def test_a_batch_asks_for_a_record_once() -> None:
    store = Store(v=Held("visit", {"status": "x"}))
    batch = [w("visit", "v", status="met"), w("visit", "v", status="y")]
    together(SCHEMA, batch, store, MOMENT, new_ids())
    assert store.asked == ["v"]


def test_writings_of_one_record_become_one_with_each_kind_of_operation_once_a_field() -> None:
    held = {"v": Held("visit", {"by": ["w0"], "seen": 1})}
    out = run(
        w("visit", "v", (ADD, "by", ["a"]), (COUNT, "seen", 2), ("other", "raw", 1), status="x"),
        w("visit", "v", (ADD, "by", ["b"]), (COUNT, "seen", 3), ("other", "raw", 2), at=7),
        w("visit", "v", (REMOVE, "by", ["a"]), (APPEND, "log", ["l1"]), status="y"),
        w("visit", "v", (REMOVE, "by", ["c"]), (APPEND, "log", ["l2"])),
        **held,
    )
    assert out == [
        Writing(
            "visit",
            "v",
            {"status": "y", "at": 7},
            [
                (ADD, "by", ["a", "b"]),
                (COUNT, "seen", 5),
                ("other", "raw", 1),
                (REMOVE, "by", ["a", "c"]),
                (APPEND, "log", ["l1", "l2"]),
            ],
        )
    ]


def test_what_a_record_comes_to_is_shown_to_the_writings_behind() -> None:
    batch = Together(
        SCHEMA, Store(v=Held("visit", {"by": ["a", "b"], "seen": 1})), MOMENT, new_ids()
    )
    batch.add(w("visit", "v", (ADD, "by", ["b", "c"]), (REMOVE, "by", ["a"]), status="x"))
    batch.add(w("visit", "v", (COUNT, "seen", 2), (APPEND, "log", ["l"])))
    batch.add(w("visit", "v", (APPEND, "log", ["m"]), (REMOVE, "nothing", ["a"])))
    batch.add(w("visit", "n", (COUNT, "seen", 4), (ADD, "by", "w"), at=1, log=["z"]))
    assert batch._shown["v"] == Held(
        "visit", {"by": ["b", "c"], "seen": 3, "status": "x", "log": ["l", "m"], "nothing": []}
    )
    shown = batch._shown["n"]
    assert shown is not None
    assert (shown.values["seen"], shown.values["by"]) == (4, ["w"])


def test_a_chain_of_openings_ends() -> None:
    circle = Schema(
        {
            "a": collection(
                "a",
                fields(n="ask"),
                opens=(
                    Opens(why="on", field="n", collection="a", key=("@record",), sets={"n": "=n"}),
                ),
            )
        }
    )
    out, _ = together(circle, [w("a", "start", n=1)], Store(), MOMENT, new_ids())
    assert len(out) == 4


def test_what_is_filled_in_has_its_moment_and_goes_in_as_its_field_merges() -> None:
    fills = (
        Fill(why="made", counts={"seen": 2}),
        Fill(why="met", field="status", values=("met",), sets={"at": "@now"}),
    )
    made_of = fields(status="ask", seen="sum", at="latest", home="ask")
    schema = Schema({"t": collection("t", made_of, fills=fills, one_per=("home",))})
    key = keyed_id("t", ["h1"])
    writing = w("t", None, status="met", home="h1")
    for held, others in (({}, [(COUNT, "seen", 2)]), ({key: Held("t", {"home": "h1"})}, [])):
        (made,), _ = together(schema, [writing], Store(**held), MOMENT, new_ids())
        assert made.record == key
        assert made.sets["at"] == MOMENT.now_ms
        assert made.others == others


def test_of_two_that_fill_in_one_field_the_first_does() -> None:
    fills = (
        Fill(why="one", field="status", sets={"text": "first"}, counts={"seen": 1}),
        Fill(why="two", field="status", sets={"text": "second"}, counts={"seen": 5}),
    )
    made_of = fields(status="ask", text="ask", seen="sum")
    schema = Schema({"t": collection("t", made_of, fills=fills)})
    found = filled(schema, w("t", "r", status="met"), {}, MOMENT)
    assert found == w("t", "r", (COUNT, "seen", 1), status="met", text="first")


def test_a_new_record_that_opens_another_has_a_name_before_and_nothing_nameless_is_looked_for() -> (
    None
):
    store = Store()
    found, problems = together(SCHEMA, [w("need", None, status="open")], store, MOMENT, new_ids())
    assert problems == []
    assert [one.collection for one in found] == ["need", "note"]
    assert found[0].record == "new 1"
    together(SCHEMA, [w("note", None, text="x")], store, MOMENT, new_ids())
    assert None not in store.asked
