"""docs/reference/stages.md says what the code says: every stage, setting, default and column."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from stages.table import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "stages.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+) \(.*?\)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def rows(section):
    """First cell -> second cell, of the tables of settings and of columns; other tables are left alone."""
    tables = re.findall(r"^\| (?:setting|column) \|.*\n((?:\|.*\n?)+)", section, re.M)
    return {a: b for table in tables for a, b in re.findall(r"^\| (\w+) \| ([^|]*?) \|", table, re.M)}


def test_every_stage_has_a_section():
    assert set(SECTIONS) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_settings_and_defaults_are_those_of_the_code(name):
    told = rows(SECTIONS[name])
    for field in fields(TABLE[name]):
        assert told[field.name] == f"{field.default}", field.name


@pytest.mark.parametrize("name", TABLE)
def test_every_column_is_told_with_its_meaning(name):
    for column, said in object.__new__(TABLE[name]).adds.items():
        assert f"`{column}`" in PAGE or rows(PAGE).get(column) == said.meaning
