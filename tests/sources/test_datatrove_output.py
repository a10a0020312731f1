"""What datatrove's writers leave behind is a source: the same documents, with their metadata as fields."""

import pytest

from corpus.documents import ID, TEXT
from pipeline.engines import engine
from pipeline.finished import Finished, everything
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from tests.laws.corpora import planted

pytest.importorskip("datatrove", reason="datatrove is not installed: pip install winnow[interop]")

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import RegexFilter
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

WRITERS = {
    "jsonl.gz": (JsonlWriter, {}),
    "jsonl": (JsonlWriter, {"compression": None}),
    "jsonl.zst": (JsonlWriter, {"compression": "zstd"}),
    "parquet": (ParquetWriter, {}),
    "small parquet": (ParquetWriter, {"batch_size": 7, "max_file_size": 20_000}),
}
TEXTS = [text for text in planted(120, 8) if text and "\x00" not in text]


def made() -> list[Document]:
    """Documents as readers of datatrove make them: metadata of several types, on some of them absent."""
    return [
        Document(
            text=text, id=f"d{n:03d}", metadata={"url": f"http://a.com/{n}", "lang": "de" if n % 3 else "en", "n": n}
        )
        for n, text in enumerate(TEXTS)
    ]


def finished(folder, path, **more) -> list[dict]:
    """Every document of a run over the path, the dropped ones too."""
    source = {"path": path, "domain_field": "metadata.lang", "fields": ["metadata.url", "metadata.n"]}
    recipe = parse({"name": "there", "sources": [source | more], "stages": STAGES})
    with engine("local", 1) as workforce:
        Run(recipe, Home(str(folder)), workforce, Silent())()
    return [row for table in Finished.at(str(folder)).tables(everything) for row in table.to_pylist()]


STAGES = [
    {"pii": {}},
    {"url_rules": {"url_column": "metadata.url"}},
    {"exact": {"prefer": []}},
    {"lines": {}},
    {"url_rules": {"url_column": "metadata.url"}},
]
"""Stages that read a nested column in the pass and, behind one that compares and rewrites, in a pass of its own."""


@pytest.mark.parametrize("kind", WRITERS)
def test_a_run_reads_what_an_executor_wrote(tmp_path, kind):
    writer, options = WRITERS[kind]
    blocks = [made(), RegexFilter("market"), writer(str(tmp_path / "out"), **options)]
    LocalPipelineExecutor(blocks, logging_dir=str(tmp_path / "log"), tasks=1).run()
    rows = finished(tmp_path / "run", str(tmp_path / "out"))
    expected = {d.id: d for d in made() if "market" not in d.text}
    assert 10 < len(expected) < len(TEXTS)
    assert sorted(row[ID] for row in rows) == sorted(expected)
    for row in rows:
        document = expected[row[ID]]
        assert (row["domain"], row["metadata.url"]) == (document.metadata["lang"], document.metadata["url"])
        assert row["metadata.n"] == f"{document.metadata['n']}"
        assert row["url_read"]


def test_metadata_in_columns_of_their_own_reads_by_plain_names(tmp_path):
    for writer in (JsonlWriter, ParquetWriter):
        with writer(str(tmp_path / writer.__name__), expand_metadata=True) as out:
            for document in made():
                out.write(document)
        source = {"path": str(tmp_path / writer.__name__), "domain_field": "lang", "fields": ["url"]}
        recipe = parse({"name": "flat", "sources": [source]})
        with engine("local", 1) as workforce:
            Run(recipe, Home(str(tmp_path / f"{writer.__name__}-run")), workforce, Silent())()
        run = Finished.at(str(tmp_path / f"{writer.__name__}-run"))
        found = [(row[ID], row[TEXT], row["url"]) for table in run.tables(everything) for row in table.to_pylist()]
        assert sorted(found) == [(d.id, d.text, d.metadata["url"]) for d in made()]
