"""Blocks of datatrove as stages: they decide and edit here as they do there, whatever comes before a document."""

import importlib
import json
import subprocess
import sys

import pyarrow as pa
import pytest

from corpus.documents import DROP, TEXT, VALUE, Batch
from corpus.errors import RecipeError, StageError
from pipeline.recipe import dump, loads
from stages.interop import REFUSED, Datatrove, Options
from tests.e2e.runs import ROOT
from tests.laws.corpora import documents, planted

pytest.importorskip("datatrove", reason="datatrove is not installed: pip install winnow[interop]")
pytest.importorskip("spacy", reason="spaCy is not installed: pip install winnow[interop]")

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline import filters, formatters
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers import JsonlWriter

TABLE = {"datatrove": Datatrove}
PIECES = ["write to ann.lee@mail.org", "or x@y.io now", "the host 8.8.8.8 fell", "see 10.0.0.1", "* * * *", "- - -"]
PIECES += ["we use cookies here.", "lorem ipsum dolor.", "a { b }", "The river is wide and long today.", "# # #"]
FILTERS = {
    "filters.GopherQualityFilter": {"min_doc_words": 20},
    "filters.GopherRepetitionFilter": {},
    "filters.C4QualityFilter": {"min_num_sentences": 2},
    "filters.regex_filter.RegexFilter": {"regex_exp": "lorem|market"},
}
FORMATTERS = {
    "formatters.PIIFormatter": {"email_replacement": ["<one>", "<two>"]},
    "formatters.SymbolLinesFormatter": {"replace_char": "~"},
}


def lines(seed: int) -> str:
    """Lines that the blocks do something with, in an order of their own."""
    return "\n".join(PIECES[(seed * step + step * step) % len(PIECES)] for step in range(1, 3 + seed % 6))


TEXTS = [text if n % 2 else f"{text}\n{lines(n)}" for n, text in enumerate(planted(160, 5))] + list(
    map(lines, range(40))
)


def block_of(name, options):
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(f"datatrove.pipeline.{module}"), kind)(**options)


def laid(stage, rows):
    table = stage.checked(stage.annotate(Batch(rows)), rows.num_rows)
    return {name: table[name].to_pylist() for name in table.column_names}


@pytest.mark.parametrize(("name", "options"), FILTERS.items())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy, of datatrove's mean of no words
def test_a_filter_decides_as_it_does_by_itself(name, options):
    judge, expected, reasons = block_of(name, options), [], []
    for n, text in enumerate(TEXTS):
        document = Document(text=text, id=f"{n}")
        verdict = judge.filter(document)
        kept, reason = verdict if isinstance(verdict, tuple) else (verdict, type(judge).__name__)
        reasons.append(None if kept else reason)
        expected.append(document.text if kept and document.text != text else None)
    found = laid(Datatrove(block=name, options=options), documents(TEXTS))
    assert found[DROP] == reasons
    assert found[VALUE] == [None if reason is None else 1.0 for reason in reasons]
    assert found[TEXT] == expected
    assert 0 < reasons.count(None) < len(TEXTS)


@pytest.mark.parametrize(("name", "options"), FORMATTERS.items())
def test_a_formatter_edits_as_it_does_on_a_text_alone(name, options):
    expected = [block_of(name, options).format(text) for text in TEXTS]
    found = laid(Datatrove(block=name, options=options), documents(TEXTS))
    changed = [new != text for new, text in zip(expected, TEXTS, strict=True)]
    assert found[TEXT] == [new if edit else None for new, edit in zip(expected, changed, strict=True)]
    spans = [[{"start": 0, "end": len(text.encode())}] for text in TEXTS]
    assert found["datatrove_spans"] == [span if edit else None for span, edit in zip(spans, changed, strict=True)]
    assert found[DROP] == [None] * len(TEXTS)
    assert 0 < sum(changed) < len(TEXTS)


def test_what_a_formatter_took_before_does_not_matter():
    """datatrove itself gives the second text the second replacement."""
    stage = Datatrove(block="formatters.PIIFormatter")
    assert laid(stage, documents(["a@b.com", "c@d.com and e@f.com"]))[TEXT] == [
        "email@example.com",
        "email@example.com and firstname.lastname@example.org",
    ]


def test_a_run_keeps_the_texts_that_an_executor_keeps(tmp_path):
    from tests.laws.test_runs import ran, survivors

    blocks = {
        "filters.GopherQualityFilter": {"min_doc_words": 20, "min_stop_words": 1},
        "formatters.PIIFormatter": {"email_replacement": "<mail>", "ip_replacement": "<ip>"},
        "filters.C4QualityFilter": {"filter_no_terminal_punct": False, "min_num_sentences": 2},
        "formatters.SymbolLinesFormatter": {},
    }
    texts = [text for text in TEXTS if "\x00" not in text]
    there = [block_of(name, options) for name, options in blocks.items()]
    reader = [Document(text=text, id=f"t{n:04d}") for n, text in enumerate(texts)]
    writer = JsonlWriter(str(tmp_path / "out"), compression=None)
    LocalPipelineExecutor([reader, *there, writer], logging_dir=str(tmp_path / "log"), tasks=1).run()
    written = (tmp_path / "out" / "00000.jsonl").read_text().splitlines()
    expected = {(row["id"], row["text"]) for row in map(json.loads, written)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.table.TABLE", TABLE)
        stages = [{"datatrove": {"block": name, "options": options}} for name, options in blocks.items()]
        run = ran(tmp_path / "run", texts, stages=stages)
    assert survivors(run) == expected
    assert 10 < len(expected) < len(texts)
    assert any("<mail>" in text for _, text in expected)


def test_columns_are_given_as_metadata_under_the_names_they_had(monkeypatch):
    class ByAge(BaseFilter):
        __module__ = filters.__name__

        def filter(self, doc):
            return "age" in doc.metadata, f"{doc.id} {sorted(doc.metadata.items())}"

    monkeypatch.setattr(filters, "ByAge", ByAge, raising=False)
    rows = documents(["a", "b"]).append_column("metadata.age", pa.array([None, "7"], pa.string()))
    stage = Datatrove(block="filters.ByAge", metadata=("domain", "metadata.age"))
    assert laid(stage, rows)[DROP] == ["doc-0000 [('domain', 'even')]", None]
    assert stage.reads == ("text", "id", "domain", "metadata.age")
    with pytest.raises(RecipeError, match="two columns that the block would both find as 'url'"):
        Datatrove(block="filters.ByAge", metadata=("url", "metadata.url"))


def test_a_document_on_which_a_block_fails_is_named(monkeypatch):
    class Halves(formatters.base.BaseFormatter):
        __module__ = formatters.__name__

        def format(self, text):
            return {"one": "\ud800"}.get(text) or str(1 / (text != "zero"))

    monkeypatch.setattr(formatters, "Halves", Halves, raising=False)
    stage = Datatrove(block="formatters.Halves")
    with pytest.raises(StageError, match=r"formatters.Halves failed on document 'doc-0001' \(ZeroDivisionError"):
        laid(stage, documents(["fine", "zero"]))
    with pytest.raises(StageError, match=r"'doc-0000' \(UnicodeEncodeError"):
        laid(stage, documents(["one"]))


@pytest.mark.parametrize(
    "block", [None, "", "RegexFilter", "os.path", "..filters.X", "filters.x", "filters._A", "f.A b"]
)
def test_a_name_that_is_no_block_is_refused_while_the_recipe_is_read(block):
    with pytest.raises(RecipeError, match=r"filters\.\w+Filter"):
        Datatrove(block=block)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_block_exists_and_says_why(name):
    module = "decont" if name == "NGramsDecontFilter" else "filters"
    assert issubclass(getattr(importlib.import_module(f"datatrove.pipeline.{module}"), name), BaseFilter)
    with pytest.raises(RecipeError, match=f"{module}.{name} cannot be a stage: it "):
        Datatrove(block=f"{module}.{name}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"block": "filters.RegexpFilter"}, "in filters nearest is RegexFilter"),
        ({"block": "readers.JsonlReader"}, "no filter or formatter of a single document"),
        ({"block": "filters.base_filter.BaseFilter"}, "no filter or formatter of a single document"),
        ({"block": "filters.c4_filters.DiskWriter"}, "no filter or formatter of a single document"),
        ({"block": "filtres.RegexFilter"}, "no module 'filtres' below datatrove.pipeline"),
        ({"block": "filters.RegexFilter"}, "missing 1 required positional argument: 'regex_exp'"),
        ({"block": "filters.RegexFilter", "options": {"regex_exp": "("}}, "cannot be made: missing \\)"),
        ({"block": "formatters.PIIFormatter", "release": "0.0.1"}, "0.0.1 is asked for and .* is installed"),
    ],
)
def test_what_is_not_installed_or_does_not_fit_is_refused_when_the_run_is_planned(settings, said):
    with pytest.raises(RecipeError, match=said):
        _ = Datatrove(**settings).files


@pytest.mark.parametrize("options", [{"exclusion_writer": "x"}, {"batch_size": 4}, {"f": print}, {"f": float("nan")}])
def test_options_are_plain_values_of_the_block_itself(options):
    with pytest.raises(RecipeError, match="datatrove: options"):
        Datatrove(block="filters.RegexFilter", options=options)


def test_a_recipe_gives_options_as_a_mapping_and_keeps_the_release():
    written = """
name: x
sources: [{path: a.jsonl}]
stages:
  - datatrove:
      block: filters.GopherRepetitionFilter
      options: {top_n_grams: [[2, 0.3]], dup_para_frac: null}
"""
    recipe = loads(written, table=TABLE)
    options = {"dup_para_frac": None, "top_n_grams": ((2, 0.3),)}
    (stage,) = recipe.stages
    assert stage == Datatrove(block="filters.GopherRepetitionFilter", options=options)
    assert hash(stage) == hash(Datatrove(block="filters.GopherRepetitionFilter", options=options))
    assert stage.settings()["release"] == importlib.metadata.version("datatrove")
    assert f"release: {stage.release}" in dump(recipe)
    assert loads(dump(recipe), table=TABLE) == recipe


def test_options_that_are_equal_have_one_hash():
    assert Options(a=1, b=2) == Options(b=2.0, a=True)
    assert hash(Options(a=1, b=2)) == hash(Options(b=2.0, a=True))


def test_without_datatrove_the_extra_is_named_and_a_finished_recipe_can_be_read():
    code = """
import sys
sys.modules["datatrove"] = None
from corpus.errors import RecipeError
from stages.interop import Datatrove
stage = Datatrove(block="formatters.PIIFormatter", release="0.10.1")
for asked in (lambda: stage.files, lambda: Datatrove(block="formatters.PIIFormatter")):
    try:
        asked()
    except RecipeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.splitlines() == ["datatrove is not installed: pip install 'winnow[interop]'"] * 2, done.stderr
