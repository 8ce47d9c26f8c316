# SPDX-License-Identifier: Apache-2.0
"""Where a setting comes from, and what is refused."""

from pathlib import Path

import pytest

from server.errors import ConfigurationWrong
from server.settings import load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "doorstep.toml"
    path.write_text('port = 1\nlang = "en"\naddresses = ["a:1"]\nhost = "file"\n', "utf-8")
    return path


def test_flags_beat_the_environment_which_beats_the_file(config: Path) -> None:
    environment = {"DOORSTEP_PORT": "2", "DOORSTEP_HOST": "environment"}
    found = load_settings(config, environment, {"port": 3, "lang": None})
    assert (found.port, found.host, found.lang) == (3, "environment", "en")
    assert load_settings(config, environment).port == 2
    assert load_settings(config, {}).port == 1


def test_a_list_in_the_environment_is_split_at_commas() -> None:
    found = load_settings(None, {"DOORSTEP_ADDRESSES": "a:1, b:2"})
    assert found.addresses == ("a:1", "b:2")


@pytest.mark.parametrize(
    "text", ["prot = 1", "port = 70000", 'lang = "fr"', "port = ", 'port = "x"']
)
def test_a_setting_that_does_not_hold_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationWrong) as refused:
        load_settings(path, {})
    assert refused.value.detail


def test_a_configuration_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationWrong):
        load_settings(tmp_path / "none.toml", {})
