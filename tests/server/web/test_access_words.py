# SPDX-License-Identifier: Apache-2.0
"""The access log says in words what is written in it by name."""

import pytest

from server.web.access_pages import Saying
from server.web.scoped_base import OPENED
from sync.collections import SCHEMA

ZH, EN = Saying(SCHEMA, "zh"), Saying(SCHEMA, "en")


@pytest.mark.parametrize(
    ("fields", "zh", "en"),
    [
        ("*", "全部", "all"),
        ("address head_name", "地址、户主", "Address, Head of household"),
        ("figures", "统计数字", "figures"),
        (f"{OPENED}phone", "拆封：电话", "opened: Phone"),
        ("unheard_of", "unheard_of", "unheard_of"),
    ],
)
def test_fields_are_named_as_the_pages_name_them(fields: str, zh: str, en: str) -> None:
    assert (ZH.fields(fields), EN.fields(fields)) == (zh, en)


@pytest.mark.parametrize(
    ("purpose", "zh", "en"),
    [
        (
            "report totals households",
            "报表明细 台账总数 户数",
            "records behind a figure Totals Households",
        ),
        ("export totals xlsx", "导出 台账总数 xlsx", "export Totals xlsx"),
        ("conflict 12", "冲突 12", "conflict 12"),
        ("search 陈 秀英", "查找 陈 秀英", "search 陈 秀英"),
        ("unheard of", "unheard of", "unheard of"),
    ],
)
def test_purposes_name_reports_and_figures(purpose: str, zh: str, en: str) -> None:
    assert (ZH.purpose(purpose), EN.purpose(purpose)) == (zh, en)
