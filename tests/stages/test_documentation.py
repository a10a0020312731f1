"""docs/reference/stages.md says what the code says: every stage, setting, default and column."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from stages.table import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "stages.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+) \(.*?\)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def rows(section):
    return {cells[0]: cells[1] for cells in re.findall(r"^\| (\w+) \| ([^|]*?) \|", section, re.M)}


def test_every_stage_has_a_section():
    assert set(SECTIONS) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_settings_and_defaults_are_those_of_the_code(name):
    told = {setting: said for setting, said in rows(SECTIONS[name]).items() if setting not in ("setting", "column")}
    for field in fields(TABLE[name]):
        assert told[field.name] == f"{field.default}", field.name


@pytest.mark.parametrize("name", TABLE)
def test_every_column_is_told_with_its_meaning(name):
    for column, said in TABLE[name]().adds.items():
        assert f"`{column}`" in PAGE or rows(PAGE).get(column) == said.meaning
