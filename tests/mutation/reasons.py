# SPDX-License-Identifier: Apache-2.0
"""Why a mutant may survive, judged by a person who read it.

What must not live here: counts. The first reason that fits counts; a survivor that none fits is
still to be read.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.mutation.making import Mutant

GAPS = Path(__file__).with_name("gaps.json")


class Reason(NamedTuple):
    """Why, and patterns of the module, the function, and ``was → is``."""

    why: str
    change: str
    function: str = ""
    module: str = ""


NOT_JUDGED = "not read yet: a gap, or the same in effect"
GAP = "a gap: no quick test sees it; which one would is told in tests/mutation/gaps.json"
UNREACHED_WHY = "no quick test of sync and crypto reaches it"
BIG_ENDIAN = "equivalent: Python's integers go to bytes and back big-endian by themselves"
AS_FALSE = "equivalent: None, no bytes and no text are as false as False"
LONG_WAY = "equivalent: what the quick way refuses goes the long way to the same end, in more time"
SAME_END = "equivalent: what stands behind or before it comes to the same end"
NO_FRAME = "equivalent: what is no frame does not open, and between two frames lies more than that"
LOGGED = "words for a log: what is refused, and by which error, stays the same"
COSTLY = "no quick test is that large: the limit stands where memory or a number ends"
TUNING = "a figure of speed or size, with nothing right or wrong on either side of it"
REASONS: tuple[Reason, ...] = (
    Reason(BIG_ENDIAN, r"""(_bytes|number)\(.*["']big["'].* → .*(_bytes|number)\(.*, \)"""),
    Reason(
        "equivalent: both have one length by what stands before; strict= says so to the reader",
        r"strict=True.* → .*(strict=(False|None)|, \))",
    ),
    Reason(AS_FALSE, r'(?!default)\b(\w+) ?= ?(False|b""|"")(?=[ ,)]).* → .*\b\1 ?= ?None\b'),
    Reason(AS_FALSE, r', b""[,)].* → .*, None[,)]'),
    Reason(AS_FALSE, r"(missing_ok|allow_extra_data|check_hostname).* → .*None"),
    Reason(AS_FALSE, r'default="".* → .*None', module=r"sync/(effects|fieldwork)"),
    Reason("equivalent: HKDF without a salt is HKDF with none", r"salt=None", "", r"crypto/"),
    Reason(
        "equivalent: no vault with all it may hold is that large",
        r"VAULT_BYTES_MAX",
        r"decode_vault",
        r"crypto/unlock",
    ),
    Reason(
        "equivalent: a month and its year are also a month and the 19th or 20th of it",
        r"int\(a\) <= _MONTHS",
        r"_is_date",
        r"crypto/pin",
    ),
    Reason(
        "equivalent: the leaf that begins an epoch stands behind all that was before it",
        r"before.size < said.size and",
        r"_owned_up",
        r"crypto/logword",
    ),
    Reason(SAME_END, r"group\[1\]", r"_is_pattern", r"crypto/pin"),
    Reason(SAME_END, r'"keyid", "XXXX"', r"check_request", r"crypto/request"),
    Reason(
        "equivalent: names of digests and encodings may stand in capitals",
        r"""→ .*["'](SHA256|ASCII|UTF-8|REPLACE|SURROGATEPASS|LATIN-1)["']""",
    ),
    Reason(SAME_END, r"validate=(False|None)|validate=True\) → .*, \)", r"_read_nonce", r"crypto/"),
    Reason(SAME_END, r"len\(addresses\) <= count", r"_read_addresses", r"crypto/ticket"),
    Reason(SAME_END, r"least = ", r"FieldKey.open", r"crypto/field"),
    Reason(SAME_END, r"one_line\) >= OLDER_PER_REPLICA_MAX", r"_pack_list", r"sync/packing"),
    Reason(SAME_END, r"len\(causal\) (<= 9|< 10)", r"decode_causal", r"sync/packing"),
    Reason(SAME_END, r"Chains\(None, state.preds\)", r"_pack_list", r"sync/packing"),
    Reason(SAME_END, r"at_ms (< 1|<= 0) else", r"day_of", r"sync/effects"),
    Reason(LONG_WAY, r"", r"^_problems$", r"sync/limits"),
    Reason(
        "equivalent: merging looks at no kind of a field, and histories only merge",
        r'"kind"|"any"',
        r"plain_schema",
        r"sync/schema",
    ),
    Reason(
        "equivalent: an unknown rank is below all that are known, by one or by two",
        r'"level"\), -2\)',
        r"in_zones",
        r"sync/fieldwork",
    ),
    Reason(TUNING, r"room -= |REPLICA_BYTES - 9", r"parts_of", r"crypto/erasure"),
    Reason(SAME_END, r"changes=\[\]", r"parts_of", r"crypto/erasure"),
    Reason(SAME_END, r'NONCE_BYTES\), b"XXXX"', r"add_worker", r"crypto/unlock"),
    Reason(SAME_END, r"\+len\(text\) % 4", r"sealed_bytes", r"sync/sealing"),
    Reason(SAME_END, r"default=1", r"split_changes", r"sync/change"),
    Reason(SAME_END, r"XX9999XX", r"clock|in_zones", r"sync/fieldwork"),
    Reason(SAME_END, r'"link", ', r"_check_sealed", r"sync/schema"),
    Reason(
        "equivalent: a rule counts by whole numbers, which name no field",
        r'"counts"',
        r"_check_sealed",
        r"sync/schema",
    ),
    Reason(SAME_END, r"→ touched = ", r"^filled$", r"sync/effects"),
    Reason(SAME_END, r"sets: dict\[str, Value\] = ", r"_opened", r"sync/effects"),
    Reason(
        "equivalent: of one number none stands before the other",
        r">= x\[16:24\]",
        r"take_in",
        r"sync/clock",
    ),
    Reason(SAME_END, r"max\(2, len\(named\)\)", r"name_records", r"sync/ranges"),
    Reason(
        SAME_END, r"\(offset < len\(out\)\) or True|offset <= ", r"Assembly.whole", r"carry/pieces"
    ),
    Reason(SAME_END, r'b"XXXX"', r"_seen", r"sync/joining"),
    Reason(SAME_END, r"→ return max\(1, ", r"room_of", r"carry/spool"),
    Reason(SAME_END, r'"area"\) or "(XX\?XX|XXXX)"', r"_within", r"sync/fieldwork"),
    Reason(SAME_END, r'"at_ms"\) or 1\)', r"^doors$", r"sync/fieldwork"),
    Reason(SAME_END, r'\[d\] = ""', r"apply_change", r"sync/record"),
    Reason(SAME_END, r"ANSWER_BYTES_MAX \+ 2", r"Line.request", r"carry/line"),
    Reason(COSTLY, r"PIECES_MAX:|PICTURE_BYTES_MAX|PATH_HASHES_MAX|MEMORY_KIB_MAX|CONTENTS_BYTES"),
    Reason(LONG_WAY, r"", r"^_labels$", r"sync/limits"),
    Reason(
        "equivalent: the last letter of sixteen bytes is never an X",
        r'rstrip\("XX=XX"\)',
        r"keyed_id",
        r"sync/effects",
    ),
    Reason("equivalent: headers are called by any letters", r'"CONTENT-LENGTH"'),
    Reason("equivalent: any number but nought switches it on", r"TCP_NODELAY, 2"),
    Reason(
        "equivalent: of the kinds of a row only the form is asked for",
        r'→ kinds = .*"(XXvisitXX|VISIT|XXcallXX|CALL)"',
        r"^daily$",
        r"sync/fieldwork",
    ),
    Reason(SAME_END, r'else "XXXX"', r"^_day$", r"sync/fieldwork"),
    Reason(SAME_END, r"split\(None\)", r"_read_input", r"crypto/request"),
    Reason(SAME_END, r"\+len\(text\) % 4", r"_read_nonce", r"crypto/request"),
    Reason(SAME_END, r'altchars=b"-_", \)', r"sealed_bytes", r"sync/sealing"),
    Reason(SAME_END, r"\[1:-2\]", r"_is_repeated", r"crypto/pin"),
    Reason(SAME_END, r"convert\(None\)", r"read_frames", r"carry/frames"),
    Reason(SAME_END, r"→ found = value", r"^_written$", r"sync/effects"),
    Reason(SAME_END, r"if data else 1", r"_versioned", r"sync/messages"),
    Reason(TUNING, r"best, most|alone >= most", r"_rest_write", r"sync/packing"),
    Reason(LONG_WAY, r"len\(several\) >= 1", r"_pack_list", r"sync/packing"),
    Reason(SAME_END, r'order.index\(value\), "XXXX"', r"_rank", r"sync/policy"),
    Reason(SAME_END, r"len\(siblings\) >= 1", r"in_conflict", r"sync/policy"),
    Reason(SAME_END, r"<= len\(self.writes\)", r"drop_dead", r"sync/record"),
    Reason(SAME_END, r"key=None", r"^parted$", r"sync/record"),
    Reason(SAME_END, r'lang: str = "(ZH|XXzhXX)"', r"Problem.message", r"sync/validation"),
    Reason(SAME_END, r"""label.text\((None|"ZH"|"XXzhXX")\)""", r"_problem", r"sync/validation"),
    Reason(COSTLY, r"SEALED_BYTES_MAX|SIZE_MAX|WHOLE_BYTES_MAX|SERIAL_MAX|COUNTER_MAX"),
    Reason(
        "equivalent: no host has more than ninety characters, so no address more than 96",
        r"ADDRESS_CHARACTERS_MAX",
        "",
        r"crypto/ticket",
    ),
    Reason("equivalent: no address of digits holds an X", r"XX\[\]XX", "", r"crypto/tls"),
    Reason("equivalent: a file that is not yet the file may have any name", r'"\.new"|"\.NEW"'),
    Reason(
        "told apart by tests/sync/test_limits.py in a process of its own, which compiles them anew",
        r"_whole\(None\)|ge=low, \)|max_length=None|XXdateXX|XXnumberXX",
        r"^_one$",
        r"sync/limits",
    ),
    Reason(LONG_WAY, r"", r"^(_compiled|_type_of|_one|_pattern|_whole|Limits\.)", r"sync/limits"),
    Reason(LONG_WAY, r"", r"^(entries_of|vector_of)$", r"sync/(change|packing)"),
    Reason(
        LONG_WAY,
        r"type\(None\)|→ .*plain and len\(row\) \S+ \d and bool|d\[:17\]",
        r"_(packed|quick)_edit$",
        r"sync/batch",
    ),
    Reason(LONG_WAY, r"births", r"slot$", r"sync/batch"),
    Reason(LONG_WAY, r"→ found = None$", r"_packed_edit$", r"sync/batch"),
    Reason(
        "equivalent: the dot that comes in is not there yet",
        r"<= d:$",
        r"_move_tip$",
        r"sync/batch",
    ),
    Reason(LONG_WAY, r"older|listed", r"^apart$", r"sync/touched"),
    Reason(
        TUNING,
        r"^(?!.* and False)",
        r"^(_compressor|_decompressor|_dictionary|pack)$",
        "compression",
    ),
    Reason(TUNING, r"WIDE_HOMES"),
    Reason(
        "equivalent: how much of a code may be blurred, and how it is drawn; any reader reads it",
        r"",
        r"^(codes_of|_drawn|animation_of|terminal_frames|picture)",
        r"carry/frames",
    ),
    Reason(
        "equivalent: every picture that is read knows how many frames it has",
        r"n_frames",
        "",
        r"carry/frames",
    ),
    Reason(
        "equivalent: a slice that is longer by what is equal anyway compares the same",
        r"→ .*(\[1[67]:25\]|at \+ 25\]|\[17:2[45]\]|\[:17\]|at \+ 2\) \* DOT_BYTES)",
        module=r"sync/(clock|record|touched|batch|packing)",
    ),
    Reason(
        "equivalent: a fork of one number was seen by spot_forks a line before",
        r"own < counter_of",
        r"note_forks",
        r"sync/record",
    ),
    Reason(
        "equivalent: the ranks of one field are all of one kind",
        r'\(2, value, ""\)|\(1, 1, |\(0, 1, ',
        r"_rank",
        r"sync/policy",
    ),
    Reason(
        "equivalent: a field that was set is shown as set, and its one value is no loser",
        r"by_kind\[field\]|sorted\(losers",
        r"_losers",
        r"sync/packing",
    ),
    Reason(SAME_END, r"unreadable_bytes|left == 0", r"__next__", r"crypto/seal"),
    Reason(NO_FRAME, r"begin = |data.find\(wanted, ", r"_find_frame", r"crypto/seal"),
    Reason(SAME_END, r"offset <= len\(data\)", r"recover_sealed_stream", r"crypto/seal"),
    Reason(SAME_END, r"and end > len\(data\)", r"_open_frame", r"crypto/seal"),
    Reason(SAME_END, r"len\(sealed\)|range\(2, end", r"open_one_of_many", r"crypto/seal_many"),
    Reason(SAME_END, r"→ if not SIGNATURE_BYTES <= len\(data\)", "", r"crypto/"),
    Reason(
        "equivalent: the file that is taken away was made a few lines before",
        r"unlink\(missing_ok=False\)",
        r"write_atomically",
        r"carry/stick",
    ),
    Reason(SAME_END, r"XX0000XX", r"lacks", r"sync/consenting"),
    Reason(
        "equivalent: what stands across two dots is no dot that anybody looks up",
        r"range\(0, len\(\w+\), \)",
        "",
        r"sync/(packing|record|clock|touched|change)",
    ),
    Reason(SAME_END, r"op == COUNT or isinstance", r"apply_change", r"sync/record"),
    Reason(
        "equivalent: what marks the end of a line has no number, whatever it is",
        r"behind or \(b",
        r"parted",
        r"sync/record",
    ),
    Reason(
        "equivalent: a place that holds a change has no digest that contents could have",
        r"found = None if",
        r"fill_blanks",
        r"sync/feed",
    ),
    Reason(
        "equivalent: a record has a vector of edits just where it has voids",
        r"voids and edits is not None",
        r"_quick_edit",
        r"sync/batch",
    ),
    Reason("equivalent: the library takes names of formats in small letters", r'"(png|jpeg|gif)"'),
    Reason(SAME_END, r"_read\(answer, \w+, None\)", r"_wait", r"carry/enrolling"),
    Reason(AS_FALSE, r'home_field\), "" → .*, None', r"births", r"sync/loops"),
    Reason(
        "not to be forced: whether a send fails on a connection closed while idle is the kernel's",
        r"self\.request\(",
        r"request",
        r"carry/line",
    ),
    Reason(
        "not waited for: two minutes of silence on a line",
        r"settimeout|SECONDS_MAX",
        "",
        r"sync/carry",
    ),
    Reason(SAME_END, r"\.get\(field, ", r"siblings_of", r"sync/policy"),
    Reason(SAME_END, r'value == ""', r"_check", r"sync/validation"),
    Reason(SAME_END, r"newline=False", r"_sortable", r"sync/(change|loops)"),
    Reason(SAME_END, r"head\[24:2|MAGIC", r"read_piece", r"sync/carry/pieces"),
    Reason(COSTLY, r"PICTURE_PIXELS_MAX|TICKET_TEXT_CHARACTERS_MAX|PAGES_BYTES_MAX,"),
    Reason(
        "shown to nobody: the form in which histories bring their collections",
        r"Label\(zh=",
        r"plain_schema",
        r"sync/schema",
    ),
    Reason(LOGGED, r'_decode\(.*"[a-z ]+"\)', "", r"sync/messages"),
    Reason(LOGGED, r"_decode\(decoder, data, ", r"_versioned", r"sync/messages"),
    Reason(LOGGED, r'_versioned\(|"missing"|_weak\(|detail: str|refused\(|_down\('),
    Reason(SAME_END, r"^wrong_tries=WRONG_TRIES_MAX, → *$", r"^_erased$", r"crypto/unlock"),
    Reason(
        "equivalent: an id that stands one byte further is all noughts, and stands two further too",
        r"packed\.find\(replica, at \+ 2\)",
        r"_quick_edit$",
        r"sync/batch",
    ),
    Reason(SAME_END, r"^plain = .* → plain = (None|False)$", r"_quick_edit$", r"sync/batch"),
    Reason(SAME_END, r'"content-length", "XXXX"\)', r"Line.request", r"carry/line"),
    Reason(LONG_WAY, r"len\(by_dot\) >= 1:", r"^conflicts_of$", r"sync/happenings"),
    Reason(AS_FALSE, r'→ wrong: Wrong \| None = ""', r"^broken_among$", r"sync/links"),
    Reason(
        "equivalent: past the end of the text slices are empty, and each part takes just one id",
        r"25 \* len\(parts\)",
        r"^_sortable_texts$",
        r"sync/loops",
    ),
    Reason(
        "equivalent: a write that is kept names something or is the rest: no row is that short",
        r"→ while len\(row\) (>= 4|> 5) and",
        r"^pack_state$",
        r"sync/packing",
    ),
    Reason(SAME_END, r'→ return \(1, value, "XXXX"\)', r"^_rank$", r"sync/policy"),
    Reason(
        "equivalent: told home by home or cut once more, a range that deep comes to the same homes",
        r"→ .*len\(name\) (> DIGITS - 1|>= DIGITS - 2):",
        r"^Scope\.tell$",
        r"sync/ranges",
    ),
    Reason(
        "equivalent: ranges asked are apart, told parts one or two digits longer, all compared",
        r"→ .*range\(len\(name\) (- 1, len\(name\) \+ 3|\+ 1, len\(name\) \+ 4)\)",
        r"^Scope\.compare$",
        r"sync/ranges",
    ),
    Reason(SAME_END, r"Chains\(None, dict\(state\.preds\)", r"^complete$", r"sync/record"),
    Reason(LONG_WAY, r"→ if len\(tips\) >= 1:", r"^complete$", r"sync/record"),
    Reason(
        "equivalent: whoever applies a change to a list of its own has listed the change there",
        r"→ if chains\.preds is state\.preds:",
        r"^apply_change$",
        r"sync/record",
    ),
    Reason(
        "equivalent: no change is read whose elements are anything but texts and whole numbers",
        r"str \| int\)\) or True else str\(element\)",
        r"^apply_change$",
        r"sync/record",
    ),
    Reason(
        "equivalent: whatever is said with a limit is refused with one",
        r'→ limit = "XXXX" if bound is None',
        r"^_problem$",
        r"sync/validation",
    ),
    Reason(
        "equivalent: a key is text by then, and of a text the depth is not asked",
        r"→ todo \+= \[\(key, depth - 1\) for key in at\]",
        r"^_check_plain$",
        r"sync/validation",
    ),
)


def reason_of(one: Mutant, unreached: bool) -> str:
    """The reason of one survivor."""
    if unreached:
        return UNREACHED_WHY
    change = f"{one.was} → {one.now}"
    for known in REASONS:
        if (
            re.search(known.module, one.module)
            and re.search(known.function, one.function)
            and re.search(known.change, change)
        ):
            return known.why
    found = {"module": one.module, "function": one.function, "was": one.was, "now": one.now}
    return GAP if any(found.items() <= gap.items() for gap in _gaps()) else NOT_JUDGED


@cache
def _gaps() -> list[dict[str, str]]:
    """What was read and found to be one; ``test`` says what would see it."""
    read: list[dict[str, str]] = json.loads(GAPS.read_text(encoding="utf-8"))
    return read
