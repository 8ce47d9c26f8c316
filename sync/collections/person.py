# SPDX-License-Identifier: Apache-2.0
"""Person: one member of a household.

What lives here: the declaration of one collection. What must not: what concerns the whole
household. Invariant: until two answers to ``household`` are settled the person belongs to both, and
both teams see it.
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices
from sync.schema import Collection, Field, Label

RELATIONS = choices(
    ("self", "本人", "Head"),
    ("spouse", "配偶", "Spouse"),
    ("child", "子女", "Child"),
    ("child_in_law", "儿媳/女婿", "Child-in-law"),
    ("parent", "父母", "Parent"),
    ("grandchild", "孙子女", "Grandchild"),
    ("grandparent", "祖父母", "Grandparent"),
    ("sibling", "兄弟姐妹", "Sibling"),
    ("other", "其他", "Other"),
)
SEXES = choices(("female", "女", "Female"), ("male", "男", "Male"))
DISABILITIES = choices(
    ("sight", "视力", "Sight"),
    ("hearing", "听力", "Hearing"),
    ("speech", "言语", "Speech"),
    ("limbs", "肢体", "Limbs"),
    ("intellect", "智力", "Intellect"),
    ("mind", "精神", "Mind"),
)
_IDENTITY = "It says who the person is: benefits follow it."
_TAGS = (
    "Each worker adds what was learned; what one adds outlives another's removal made unknowing."
)

PERSON = Collection(
    name="person",
    label=Label(zh="人员", en="Person"),
    fields={
        "household": Field(
            policy="ask",
            why="Until it is settled the person belongs to both households and both teams see it.",
            label=Label(zh="所属户", en="Household"),
            refers_to="household",
            required=True,
            chars_max=ID_CHARS_MAX,
        ),
        "name": Field(
            policy="ask",
            why=_IDENTITY,
            label=Label(zh="姓名", en="Name"),
            required=True,
            chars_max=declare.NAME_CHARS,
            searched=True,
        ),
        "relation": Field(
            policy="ask",
            why="Support is reckoned by kinship.",
            kind="choice",
            label=Label(zh="与户主关系", en="Relation to head"),
            choices=RELATIONS,
        ),
        "sex": Field(
            policy="ask",
            why=_IDENTITY,
            kind="choice",
            label=Label(zh="性别", en="Sex"),
            choices=SEXES,
        ),
        "birth_year": Field(
            policy="ask",
            why="Age limits of benefits hang on it.",
            kind="integer",
            label=Label(zh="出生年", en="Year of birth"),
            minimum=declare.YEAR_MIN,
            maximum=declare.YEAR_MAX,
        ),
        "phone": Field(
            policy="ask",
            why="A wrong number is not found out until it is needed.",
            label=Label(zh="电话", en="Phone"),
            chars_max=20,
            pattern=declare.PHONE_PATTERN,
            searched=True,
        ),
        "categories": Field(
            policy="union",
            why=_TAGS,
            kind="choice",
            label=Label(zh="类别", en="Categories"),
            choices=declare.CATEGORIES,
        ),
        "disability": Field(
            policy="union",
            why="A person may have several, found by different workers.",
            kind="choice",
            label=Label(zh="残疾类别", en="Disability"),
            choices=DISABILITIES,
        ),
        "disability_grade": Field(
            policy="ask",
            why="The grade is on a certificate: two readings mean that one must look again.",
            kind="integer",
            label=Label(zh="残疾等级", en="Disability grade"),
            minimum=1,
            maximum=4,
        ),
        "identity_number": declare.sealed(
            "identity",
            "居民身份证号",
            "Identity number",
            "Benefits are paid by it: two numbers mean that one must look at the card again.",
            chars=18,
            pattern=declare.IDENTITY_PATTERN,
            searched=True,
        ),
        "illness": declare.sealed(
            "illness",
            "疾病",
            "Illness",
            "A wrong illness brings the wrong help: whoever may read both decides.",
            chars=200,
        ),
        "protection": declare.sealed(
            "child",
            "儿童保护情况",
            "Child protection",
            "What was found about a child is never replaced without having been read.",
            chars=1_000,
        ),
        "medication": Field(
            policy="ask",
            why="A wrong medicine harms; no rule chooses between two.",
            label=Label(zh="用药", en="Medication"),
            chars_max=200,
        ),
        "care_level": declare.CARE_LEVEL,
        "guardian": Field(
            policy="ask",
            why="Who answers for a child must be one person, known for certain.",
            label=Label(zh="监护人", en="Guardian"),
            chars_max=declare.NAME_CHARS,
        ),
        "guardian_phone": Field(
            policy="ask",
            why="A wrong number is not found out until it is needed.",
            label=Label(zh="监护人电话", en="Guardian's phone"),
            chars_max=20,
            pattern=declare.PHONE_PATTERN,
        ),
        "school": Field(
            policy="latest",
            why="The school last named is the one attended.",
            label=Label(zh="学校", en="School"),
            chars_max=declare.LINE_CHARS,
        ),
        "away": Field(
            policy="latest",
            why="Where someone stays now is known best by whoever asked last.",
            label=Label(zh="外出去向", en="Away at"),
            chars_max=declare.LINE_CHARS,
        ),
        "died_on": Field(
            policy="ask",
            why="It ends benefits: never by a rule.",
            kind="date",
            label=Label(zh="去世日期", en="Died on"),
        ),
        "notes": declare.NOTES,
    },
)
