"""HTML files: each is one page, with the bytes it has."""

import gzip

import pytest

from corpus.errors import RecipeError
from corpus.readers import records
from corpus.source import Source
from corpus.units import units


def read(path, **settings):
    source = Source(path=str(path), **settings)
    reads = [piece for unit in units([source], lambda found: "x") for piece in records(unit, source)]
    assert all(piece.rows.schema == source.schema(pages=True) for piece in reads)
    return [row for piece in reads for row in piece.rows.to_pylist()], [one for piece in reads for one in piece.bad]


def test_every_file_is_a_page_whose_name_is_its_id(tmp_path):
    pages = {"a.html": b"<p>\xff\0", "b/c.HTM": b"<p>", "d.xhtml.gz": b"<html/>"}
    for name, raw in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    rows, bad = read(tmp_path, fields=("path",), domain="site")
    assert bad == []
    assert {row["id"]: row["html"] for row in rows} == pages
    assert {(row["text"], row["domain"], row["charset"], row["path"] == row["id"]) for row in rows} == {
        ("", "site", None, True)
    }


def test_empty_long_and_damaged_files_are_bad_alone(tmp_path):
    (tmp_path / "a.html").write_bytes(b"<p>")
    (tmp_path / "b.html").touch()
    (tmp_path / "c.html").write_bytes(b"<" * 3_000)
    (tmp_path / "d.html.gz").write_bytes(gzip.compress(b"<p>" * 99)[:-9])
    rows, bad = read(tmp_path, max_record_mb=0.002)
    assert [row["id"] for row in rows] == ["a.html"]
    assert [(one.file, one.cause.split(":")[0].split(" =")[0]) for one in bad] == [
        ("b.html", "empty file"),
        ("c.html", "longer than max_record_mb"),
        ("d.html.gz", "damaged stream"),
    ]


@pytest.mark.parametrize("settings", [{"fields": ("title",)}, {"html_field": "x"}, {"text_field": "x"}])
def test_fields_are_refused(tmp_path, settings):
    (tmp_path / "a.html").write_bytes(b"<p>")
    with pytest.raises(RecipeError, match="HTML files have no fields"):
        read(tmp_path, **settings)
