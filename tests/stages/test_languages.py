"""Languages: our own table, FineWeb-2's format, and what the rules make of pages whose language is known."""

import gzip
import json
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from corpus.documents import Batch
from corpus.errors import RecipeError, StageError
from corpus.words import word_hash
from stages.gopher_quality import GopherQuality
from stages.languages import GOPHER_WORDS, aliases, files, language, own
from stages.measures import STOP_WORDS

DATA = Path(__file__).parents[2] / "../shared/data"
FINEWEB2 = DATA / "lists" / "fineweb2_configs.json.gz"
GUIDE = DATA / "corpus" / "multilingual__opensource_guide.jsonl.zst"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared corpus is not on this machine")

ROW = {
    "stopwords": ["la", "le", "l'", "،", "un"],
    "min_avg_word_length": 2,
    "max_avg_word_length": 11,
    "max_non_alpha_words_ratio": 0.75,
    "line_punct_thr": 0.1,
}
GERMAN = "Die Kinder und der Hund sind in den Garten gegangen, wo sie das Haus von dem Baum sehen. " * 5


def judged(texts, stage, codes=None):
    columns = {"text": pa.array(texts, pa.large_string())} | ({"lang": pa.array(codes, pa.string())} if codes else {})
    rows = pa.record_batch(list(columns.values()), names=list(columns))
    return stage.checked(stage.annotate(Batch(rows)), len(texts)).to_pylist()


def test_english_is_the_paper():
    assert language("en").stop_words == STOP_WORDS
    assert language("en")[2:] == (3, 10, 0.8)


@pytest.mark.parametrize("code", own())
def test_every_language_has_words_and_limits_that_can_hold(code):
    row = language(code)
    hashes = [word_hash(word) for word in row.function_words]  # each is exactly one word
    assert len(set(hashes)) == len(hashes) >= 30
    assert row.stop_words == row.function_words[:GOPHER_WORDS]
    assert 0 < row.min_mean_word_length < row.max_mean_word_length
    assert language(f"{code}-XX") == row


def test_aliases_are_one_to_one():
    assert len(set(aliases().values())) == len(own())


def test_a_language_without_a_table_names_near_ones():
    with pytest.raises(RecipeError, match=r"language 'enn' .* nearest are en"):
        GopherQuality(language="enn")
    with pytest.raises(RecipeError, match=r"language 'th' .*tables"):
        GopherQuality(language="th")


def test_the_language_sets_words_and_limits():
    english, german = GopherQuality(), GopherQuality(language="de")
    assert judged([GERMAN], english)[0]["drop"] == "stop_words"
    (row,) = judged([GERMAN], german)
    assert (row["drop"], row["stop_words"]) == (None, 6)  # der die und den das von
    limits = {rule.measure: (rule.low, rule.high) for rule in german.rules}
    assert limits["mean_word_length"] == (3.7, 12.4)
    asked = GopherQuality(language="de", max_mean_word_length=3.8)
    assert judged([GERMAN], asked)[0]["drop"] == "mean_word_length"


def test_each_document_is_judged_by_its_own_language():
    english = "It is what they would have said of the morning, and that it would be over before the winter. " * 5
    stage = GopherQuality(language_column="lang")
    texts, codes = [GERMAN, english, GERMAN, english, english], ["de", "en", "en", None, "de"]
    reasons = [row["drop"] for row in judged(texts, stage, codes)]
    assert reasons == [None, None, "stop_words", None, "stop_words"]
    assert stage.reads[-1] == "lang"
    alone = [judged([text], stage, [code])[0] for text, code in zip(texts, codes, strict=True)]
    assert alone == judged(texts, stage, codes)


def test_a_column_that_is_missing_or_holds_a_strange_language_is_an_error():
    stage = GopherQuality(language_column="lang")
    with pytest.raises(StageError, match="no column 'lang'"):
        judged([GERMAN], stage)
    with pytest.raises(StageError, match="column 'lang': no stop words and limits for language 'tha'"):
        judged([GERMAN], stage, ["tha"])


@pytest.mark.parametrize("kind", ["json", "json.gz", "folder"])
def test_fineweb2s_format_is_read_from_a_file_or_a_folder(tmp_path, kind):
    raw = json.dumps({"fra_Latn": ROW, "oci_Latn": ROW}).encode()
    path = tmp_path / f"tables.{kind}"
    if kind == "folder":
        path.mkdir()
        for code in ("fra_Latn", "oci_Latn"):
            (path / f"{code}.yml").write_text(json.dumps(ROW))  # YAML holds JSON
    else:
        path.write_bytes(gzip.compress(raw) if kind == "json.gz" else raw)
    read = language("fr", str(path))
    assert read == language("fra_Latn", str(path)) == language("oci_Latn", str(path))
    assert read == (tuple(ROW["stopwords"]), tuple(ROW["stopwords"]), 2, 11, 0.75)
    stage = GopherQuality(language="fr", tables=str(path))
    assert stage.files == files(str(path))
    assert len(stage.files) == (2 if kind == "folder" else 1)
    assert judged(["La la l'an un le, " * 20], stage)[0]["stop_words"] == 3  # ، and l' alone are no words


def test_tables_that_are_not_there_or_not_in_the_format_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="neither a"):
        GopherQuality(language="fr", tables=str(tmp_path))
    (tmp_path / "fr.yml").write_text("stopwords: [la]")
    with pytest.raises(RecipeError, match="min_avg_word_length"):
        GopherQuality(language="fr", tables=str(tmp_path))


def test_more_stop_words_than_are_listed_are_refused():
    with pytest.raises(RecipeError, match="at least 9 different stop words"):
        GopherQuality(min_stop_words=9)
    GopherQuality(min_stop_words=9, dialect="dolma")  # where occurrences count


@needs_data
@pytest.mark.skipif(not FINEWEB2.is_file(), reason="FineWeb-2's tables are not beside the project")
def test_all_tables_of_fineweb2_make_stages():
    codes = sorted(json.loads(gzip.decompress(FINEWEB2.read_bytes())))
    assert len(codes) == 1929
    for code in codes[::97]:
        stage = GopherQuality(language=code, tables=str(FINEWEB2), min_stop_words=1)
        assert stage.rules[0].measure == "words"
    assert GopherQuality(language="de", tables=str(FINEWEB2)).rules[1].high == 15


@needs_data
def test_pages_in_their_own_language_stay_and_others_go():
    """Guides in 29 languages; some pages, of the Bengali ones most, were never translated from English."""
    with pa.input_stream(str(GUIDE), compression="zstd") as raw:
        pages = [orjson.loads(line) for line in raw.read().splitlines()]
    pages = [page for page in pages if page["lang"].split("-")[0] in own()]
    own_share = shares(pages, [page["lang"] for page in pages])
    assert [code for code, share in own_share.items() if share < 0.75] == ["bn"]
    assert sum(share == 1 for share in own_share.values()) >= 14
    foreign = shares(pages, ["fi" for _ in pages])
    assert max(foreign.values()) < 0.2


def shares(pages, codes):
    """By the pages' language, the share with two stop words or more of the language asked for."""
    stage = GopherQuality(language_column="lang", min_words=1)
    rows = judged([page["text"] for page in pages], stage, codes)
    of = np.array([page["lang"] for page in pages])
    held = np.array([row["stop_words"] >= 2 and row["drop"] != "mean_word_length" for row in rows])
    return {code: held[of == code].mean() for code in sorted(set(of.tolist()))}
