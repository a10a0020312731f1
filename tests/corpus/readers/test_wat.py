"""WAT: the JSON about a response is a document; its fields are found by their paths."""

import json

import pytest

from corpus.errors import RecipeError
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
from tests.corpus.archive_files import warc

ENVELOPE = {
    "Container": {"Filename": "a.warc.gz", "Offset": "12"},
    "Envelope": {
        "WARC-Header-Metadata": {"WARC-Type": "response"},
        "Payload-Metadata": {
            "HTTP-Response-Metadata": {
                "Headers": {"Server": "nginx"},
                "HTML-Metadata": {"Head": {"Title": "A title", "Metas": [{"name": "a"}]}, "Links": []},
            }
        },
    },
}


def read(tmp_path, raw, **settings):
    (tmp_path / "a.warc.wat").write_bytes(raw)
    source = Source(path=str(tmp_path / "a.warc.wat"), **settings)
    (unit,) = units([source], lambda found: "x")
    (piece,) = records(unit, source)
    assert piece.rows.schema == source.schema()
    return piece.rows.to_pylist(), [one.cause for one in piece.bad], dict(piece.skipped)


def about(held):
    return warc("metadata", json.dumps(held).encode(), 4, Content_Type="application/json")


def test_a_response_is_its_title_and_the_fields_that_were_asked_for(tmp_path):
    server = "Envelope.Payload-Metadata.HTTP-Response-Metadata.Headers.Server"
    metas = "Envelope.Payload-Metadata.HTTP-Response-Metadata.HTML-Metadata.Head.Metas"
    rows, bad, skipped = read(tmp_path, about(ENVELOPE), fields=("url", server, metas, "Container.Offset"))
    assert (bad, skipped) == ([], {})
    assert rows == [
        {
            "id": "<urn:uuid:00000004>",
            "text": "A title",
            "domain": "default",
            "url": "http://example.com/4",
            server: "nginx",
            metas: '[{"name":"a"}]',
            "Container.Offset": "12",
        }
    ]


def test_another_text_may_be_asked_for(tmp_path):
    path = "Envelope.Payload-Metadata.HTTP-Response-Metadata.Headers.Server"
    rows, _, _ = read(tmp_path, about(ENVELOPE), text_field=path, id_field="Container.Offset", domain_field=path)
    assert [(row["id"], row["text"], row["domain"]) for row in rows] == [("12", "nginx", "nginx")]
    _, bad, _ = read(tmp_path, about(ENVELOPE), text_field="Envelope.Payload")
    assert bad == ["no field 'Envelope.Payload': in 'Envelope' nearest is 'Payload-Metadata'"]


def test_what_is_not_about_a_page_is_skipped_and_what_is_no_json_is_bad(tmp_path):
    request = {"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "request"}}}
    untitled = {"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "response"}}}
    raw = warc("warcinfo", b"a: b") + about(request) + about(untitled) + about({}) + about([1])
    rows, bad, skipped = read(tmp_path, raw + warc("metadata", b"{", Content_Type="application/json"))
    assert (rows, skipped) == ([], {"warcinfo": 1, "request": 1, "no title": 1, "unknown type": 1})
    assert bad == ["not a JSON object", "broken JSON: unexpected end of data"]


@pytest.mark.parametrize("settings", [{"fields": ("Title",)}, {"text_field": "url"}, {"html_field": "Envelope.x"}])
def test_names_that_lead_nowhere_are_refused(tmp_path, settings):
    with pytest.raises(RecipeError, match="WAT"):
        read(tmp_path, about(ENVELOPE), **settings)
