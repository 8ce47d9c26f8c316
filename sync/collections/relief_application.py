# SPDX-License-Identifier: Apache-2.0
"""Relief application: 临时救助, 低保 or 特困 from the first word to the money, without meeting.

What lives here: the declaration of one collection. What must not: the pictures and recordings
themselves (``attachment``). Invariants: the decision and every amount are asked about, never chosen
by a rule; of two steps the one with more left to examine is shown; amounts are whole fen.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

KINDS = choices(
    ("emergency", "临时救助", "Emergency relief"),
    ("dibao", "低保", "Minimum living allowance"),
    ("extreme_poverty", "特困供养", "Extreme poverty support"),
    ("low_income", "低收入认定", "Low income recognised"),
    ("medical", "医疗救助", "Medical relief"),
    ("price_subsidy", "价格补贴", "Price subsidy"),
)
STEPS = choices(
    ("closed", "已办结", "Closed"),
    ("paid", "已发放", "Paid"),
    ("withdrawn", "已撤回", "Withdrawn"),
    ("published", "已公示", "Published"),
    ("decided", "已审定", "Decided"),
    ("district_review", "区审核中", "District is reviewing"),
    ("street_review", "街道审核中", "Street is reviewing"),
    ("surveyed", "已入户调查", "Surveyed"),
    ("consented", "已授权核对", "Consent given"),
    ("applied", "已申请", "Applied"),
    ("sent_back", "待补材料", "Papers missing"),
    ("reopened", "复核中", "Under review again"),
)
DECISIONS = choices(
    ("granted", "同意", "Granted"),
    ("granted_in_part", "部分同意", "Granted in part"),
    ("refused", "不予批准", "Refused"),
)
DOCUMENTS = choices(
    ("identity_card", "身份证", "Identity card"),
    ("household_register", "户口簿", "Household register"),
    ("income_proof", "收入证明", "Proof of income"),
    ("medical_bill", "医疗票据", "Medical bills"),
    ("disability_card", "残疾证", "Disability card"),
    ("rent_contract", "租房合同", "Rent contract"),
    ("bank_card", "银行卡", "Bank card"),
    ("consent_form", "核对授权书", "Consent to checks"),
)
REASONS = choices(
    ("illness", "重病", "Serious illness"),
    ("accident", "意外", "Accident"),
    ("fire", "火灾", "Fire"),
    ("job_lost", "失业", "Work lost"),
    ("zone", "封控无收入", "No income in a closed zone"),
    ("schooling", "教育支出", "School costs"),
    ("other", "其他", "Other"),
)
_MONEY = "Money is granted by it: two answers are a question, never a rule."
_PAPER = "A paper that one of two has seen is there."

_ASKED = {
    "household": declare.HOUSEHOLD,
    "person": declare.PERSON,
    "kind": fields.pick("ask", "救助类别", "Kind of relief", _MONEY, KINDS, required=True),
    "status": fields.status("Whatever leaves more to examine is shown: nothing is skipped.", STEPS),
    "reasons": fields.pick(
        "union", "困难原因", "Reasons", "Each worker adds what was learned.", REASONS
    ),
    "applied_on": fields.day(
        "lowest", "申请日期", "Applied on", "The earlier day starts the clock and the payment."
    ),
    "amount_asked_fen": fields.money("ask", "申请金额", "Amount asked for", _MONEY),
    "people_count": fields.number("ask", "共同生活人数", "People in the household", _MONEY, 40),
    "monthly_income_fen": fields.money("ask", "家庭月收入", "Monthly income", _MONEY),
    "savings_fen": fields.money("ask", "存款", "Savings", _MONEY),
    "medical_costs_fen": fields.money("ask", "自付医疗费", "Medical costs paid", _MONEY),
}
_EXAMINED = {
    "consent": fields.link(
        "ask",
        "授权签名",
        "Consent signed",
        "Consent binds: two signatures are looked at side by side.",
        "attachment",
    ),
    "consented_at_ms": fields.moment(
        "ask", "授权时间", "Consent given at", "Checks are lawful only after it."
    ),
    "documents": fields.pick("union", "已交材料", "Papers handed in", _PAPER, DOCUMENTS),
    "document_files": fields.link("union", "材料文件", "Files of papers", _PAPER, "attachment"),
    "survey_files": fields.link(
        "union",
        "入户调查影音",
        "Survey by photo, video, sound",
        "All that was recorded is evidence.",
        "attachment",
    ),
    "surveyors": fields.worker("union", "调查人", "Surveyors", "All who surveyed stand by it."),
    "survey": fields.words(
        "调查情况", "What the survey found", "Two people's findings are both kept."
    ),
}
_DECIDED = {
    "reviewers": fields.worker("union", "审核人", "Reviewers", "All who reviewed stand by it."),
    "opinions": fields.words(
        "审核意见", "Opinions", "Each step's opinion is kept beside the others."
    ),
    "decision": fields.pick("ask", "审定结果", "Decision", _MONEY, DECISIONS),
    "amount_granted_fen": fields.money("ask", "批准金额", "Amount granted", _MONEY),
    "granted_from": fields.day("ask", "享受起始月", "Granted from", _MONEY),
    "granted_until": fields.day("ask", "享受截止", "Granted until", _MONEY),
    "paid_fen": fields.number(
        "sum",
        "已发放金额",
        "Paid so far",
        "Each payment is made once and counts: instalments add up.",
        declare.FEN_MAX,
        unit="fen",
    ),
    "decide_by": fields.day(
        "lowest", "办理期限", "Decide by", "The earlier date is the one the law gives."
    ),
    "notes": declare.NOTES,
}

RELIEF_APPLICATION = Collection(
    name="relief_application",
    label=Label(zh="救助申请", en="Relief application"),
    fields={**_ASKED, **_EXAMINED, **_DECIDED},
    fills=(
        Fill(
            why="The day of the first word starts the clock.",
            firsts={"status": "applied", "applied_on": "@today"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("consented",),
            firsts={"consented_at_ms": "@now"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("surveyed",),
            adds={"surveyors": "@worker"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("street_review", "district_review", "decided"),
            adds={"reviewers": "@worker"},
        ),
    ),
    steps=(
        Step(
            why="Checks are lawful only with a signature.",
            values=("consented",),
            needs=("consent",),
            after=("applied", "sent_back", "reopened"),
        ),
        Step(
            why="A survey leaves words or recordings.",
            values=("surveyed",),
            needs=("survey", "survey_files"),
            after=("consented", "sent_back", "reopened"),
        ),
        Step(
            why="Nothing is reviewed that was not surveyed.",
            values=("street_review",),
            after=("surveyed", "sent_back", "reopened"),
        ),
        Step(
            why="The street reviews first.",
            values=("district_review",),
            after=("street_review", "sent_back", "reopened"),
        ),
        Step(
            why="It is decided after the reviews, in one of three ways.",
            values=("decided",),
            needs=("decision",),
            after=("street_review", "district_review", "reopened"),
        ),
        Step(why="What is published was decided.", values=("published",), after=("decided",)),
        Step(
            why="Money follows a decision and an amount.",
            values=("paid",),
            needs=("amount_granted_fen",),
            after=("decided", "published"),
        ),
    ),
)
