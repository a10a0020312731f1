"""Decontamination against brute force on small alphabets and real text, each rule by hand, and bad benchmarks."""

import gzip
import random
import time
from collections import defaultdict
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.errors import RecipeError
from scripts.brute_ngrams import brute
from scripts.corpus_texts import sample
from stages.decontaminate import Decontaminate
from stages.decontamination.gpt3 import lengths
from stages.decontamination.items import MOST_ITEM, Fields, items
from stages.decontamination.ngram_index import gram_hash, index, measured
from stages.decontamination.ngram_walk import found
from tests.laws.corpora import WORDS, prose

LETTERS = [f"{a}{b}" for a in "abcdefgh" for b in "xyz"]


def written(folder, items, name="bench.jsonl"):
    """The file of a benchmark; an item is a record, or a text."""
    folder.mkdir(exist_ok=True)
    records = [one if isinstance(one, dict) else {"id": f"i{n}", "text": one} for n, one in enumerate(items)]
    path = folder / name
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def batch(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def judged(texts, **asked_for):
    stage, rows = Decontaminate(**asked_for), batch(texts)
    return stage.checked(stage.annotate(rows), len(rows)).to_pylist()


def laid(rows):
    """The same of the columns that the stage lays, items by the number in their id."""
    found = defaultdict(set)
    for row, one in enumerate(rows):
        for match in one["contamination_matches"] or ():
            found[row, int(match["item"][1:])].update(range(match["start"], match["end"]))
    return found


small = st.lists(st.sampled_from(LETTERS[:3]), max_size=24).map(" ".join)


@settings(max_examples=25)  # half a second each, nearly all of it the brute force
@given(st.lists(small, min_size=1, max_size=6), st.lists(small, max_size=6), st.integers(1, 4), st.integers(2, 9))
def test_thirteen_grams_are_those_of_brute_force(tmp_path_factory, questions, texts, most_items, least_words):
    questions = ["ax ay az bx by bz cx cy cz dx dy dz ex ey", *questions]
    texts = [*texts, f"{questions[-1]}, {questions[0].upper()}!"]
    at = written(tmp_path_factory.getbasetemp() / "brute", questions)
    rows = judged(texts, against=str(at), most_items=most_items, least_words=least_words)
    truth = brute(texts, questions, 13, least_words, most_items)
    assert laid(rows) == truth
    for row, one in enumerate(rows):
        items = {item for r, item in truth if r == row}
        assert (one["drop"] == "contaminated") == bool(items)
        covered = set().union(*(truth[row, item] for item in items))
        assert {b for s in one["contaminated_span"] or () for b in range(s["start"], s["end"])} == covered


@given(st.lists(small, min_size=1, max_size=5), st.lists(small, min_size=1, max_size=5))
def test_the_score_of_palm_is_the_share_of_different_8_grams(tmp_path_factory, questions, texts):
    at = written(tmp_path_factory.getbasetemp() / "palm", [*questions, "ax ay az bx by bz cx cy cz"])
    rows = judged(texts, against=str(at), rule="palm", most_items=99)

    def grams(text):
        words = text.split()
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    for text, one in zip(texts, rows, strict=True):
        scores = {m["item"]: m["score"] for m in one["contamination_matches"] or ()}
        truth = {}
        for n, question in enumerate(questions):
            if grams(question) & grams(text):
                truth[f"i{n}"] = len(grams(question) & grams(text)) / len(grams(question))
        assert scores == pytest.approx(truth)


RULES = ["ngram13", "gpt3", "llama3", "palm", "dolma", "decon"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """30 items of 25 to 60 words, each with an answer, as they could be asked."""
    draw = random.Random(5)
    records = []
    for n in range(30):
        question = " ".join(draw.choice(LETTERS) + draw.choice(WORDS) for _ in range(draw.randint(25, 60)))
        records.append({"id": f"q{n}", "text": question.capitalize() + "?", "answer": f"{draw.choice(LETTERS)}42"})
    return written(tmp_path_factory.mktemp("bench"), records), records


def asked(record):
    return f"{record['text']}\n{record['answer']}"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_finds_a_verbatim_item_and_nothing_in_prose(bench, rule):
    path, records = bench
    texts = [prose(1, 300), f"{prose(2, 200)}\n{asked(records[7])}\n{prose(3, 200)}", prose(4, 90)]
    rows = judged(texts, against=str(path), rule=rule, action="report")
    assert [one["contaminated_item"] for one in rows] == [None, "q7", None]
    assert rows[1]["contaminated_by"] == "bench"
    assert rows[1]["contamination_score"] == pytest.approx(1)
    (span,) = rows[1]["contaminated_span"]
    cut = texts[1].encode()[span["start"] : span["end"]].decode()
    assert cut.startswith(records[7]["text"][:40])
    assert all(one["drop"] is None for one in rows)


@pytest.mark.parametrize("rule", RULES)
@given(places=st.lists(st.integers(0, 9), max_size=4), seed=st.integers(0, 99))
def test_batches_and_order_change_nothing(bench, rule, places, seed):
    path, records = bench
    draw = random.Random(seed)
    texts = [
        prose(seed, 60) if draw.random() < 0.4 else asked(draw.choice(records)) * draw.randint(1, 2) for _ in range(8)
    ]
    whole = judged(texts, against=str(path), rule=rule, action="cut")
    at = sorted({0, 8, *(p for p in places if p < 8)})
    parts = [judged(texts[a:b], against=str(path), rule=rule, action="cut") for a, b in pairwise(at)]
    assert [one for part in parts for one in part] == whole
    assert judged(texts[::-1], against=str(path), rule=rule, action="cut") == whole[::-1]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "gpt3"])
def test_what_is_cut_is_no_longer_there(bench, rule):
    path, records = bench
    text = f"{prose(2, 200)}\n{asked(records[7])}\n{prose(3, 200)}"
    (one,) = judged([text], against=str(path), rule=rule, action="cut")
    assert one["drop"] is None
    assert one["decontaminate_spans"] == one["contaminated_span"]
    (again,) = judged([one["text"]], against=str(path), rule=rule, action="cut")
    assert again["contaminated_by"] is None


def test_punctuation_and_case_hide_nothing(bench):
    path, records = bench
    shouted = asked(records[3]).upper().replace(" ", " -- ")
    (one,) = judged([shouted], against=str(path))
    assert (one["drop"], one["value"], one["contaminated_item"]) == ("contaminated", 1.0, "q3")


def test_gpt3_cuts_200_characters_around_and_drops_what_is_shorter(bench):
    path, records = bench
    gram = " ".join(records[0]["text"].lower().split()[:13])
    head, tail = "é, " * 300, ". " * 250
    (one,) = judged([f"{head}{gram}{tail}"], against=str(path), rule="gpt3")
    begin = len((head[:-200]).encode())
    (span,) = one["decontaminate_spans"]
    assert (span["start"], span["end"]) == (begin, len(f"{head}{gram}{tail[:200]}".encode()))
    assert one["text"] == f"{head[:-200]}\n\n{tail[200:]}"
    (short,) = judged([f"{', ' * 199}{gram}{tail}"], against=str(path), rule="gpt3")
    assert short["text"] == f"\n\n{tail[200:]}"  # 198 characters are left before: too few
    (nothing,) = judged([f"{', ' * 100}{gram}"], against=str(path), rule="gpt3")
    assert (nothing["drop"], nothing["text"]) == ("contaminated", None)


@pytest.mark.parametrize(("times", "drop"), [(9, None), (10, "contaminated")])
def test_gpt3_drops_a_document_that_is_cut_into_more_than_ten_pieces(bench, times, drop):
    path, records = bench
    gram = " ".join(records[0]["text"].lower().split()[:13])
    text = ("... " * 200 + gram) * times + "... " * 200
    (one,) = judged([text], against=str(path), rule="gpt3")
    assert one["drop"] == drop
    assert one["value"] == (11 if drop else None)  # pieces


def test_gpt3_goes_by_the_fifth_percentile_of_a_benchmark():
    sizes = [5] * 2 + [30] * 8 + [10] * 10 + [99] * 10  # 5 % of 10: between the first and the second
    found = lengths(["a"] * 10 + ["b"] * 10 + ["c"] * 10, sizes=pa.array(sizes).to_numpy())
    assert found.tolist() == [8] * 10 + [10] * 10 + [13] * 10


def test_dolma_needs_a_whole_line(bench):
    path, records = bench
    line = records[4]["text"]
    texts = [f"{prose(1, 50)}\n{line}\n{prose(2, 50)}", f"{prose(1, 50)} {line}", f"{line} indeed\n"]
    assert [one["drop"] for one in judged(texts, against=str(path), rule="dolma")] == ["contaminated", None, None]


def test_decon_allows_edits_and_asks_for_the_answer(bench):
    path, records = bench
    record = max(records, key=lambda one: len(one["text"].split()))
    words = record["text"].split()
    words[12] = "changed"
    edited = " ".join(words)
    answered, alone = judged([f"{edited} so it is {record['answer']}", edited], against=str(path), rule="decon")
    assert answered["drop"] == "contaminated"
    assert 0.8 <= answered["contamination_score"] < 1
    assert alone["drop"] is None
    (far,) = judged([f"{edited} {prose(1, 60)} {record['answer']}"], against=str(path), rule="decon")
    assert far["drop"] is None  # the answer stands more than 50 words away


def test_decon_wants_a_perfect_match_of_a_short_item(tmp_path):
    question = " ".join(f"{word}{n}" for n, word in enumerate(WORDS[:20]))
    at = written(tmp_path, [{"id": "short", "text": question}])
    edited = question.replace("of1", "was")
    found = judged([question, edited], against=str(at), rule="decon")
    assert [one["drop"] for one in found] == ["contaminated", None]


def test_llama3_counts_words_in_8_grams(tmp_path):
    question = " ".join(LETTERS[:20])
    at = written(tmp_path, [question])
    (one,) = judged([" ".join([*LETTERS[:9], "x", *LETTERS[10:20]])], against=str(at), rule="llama3", least_score=0.9)
    assert one["contamination_matches"][0]["score"] == pytest.approx(19 / 20)
    assert one["contaminated_by"] == "bench"


def test_short_items_are_matched_whole_or_counted(tmp_path):
    at = written(tmp_path, [" ".join(LETTERS[:9]), "only four words here", "and", "..."])
    stage = Decontaminate(against=str(at))
    texts = [f"so {' '.join(LETTERS[:9])} then", " ".join(LETTERS[:8]), "only four words here and more"]
    assert [one["contaminated_item"] for one in judged(texts, against=str(at))] == ["i0", None, None]
    assert stage.loaded().short() == {"bench": 3}


def test_boilerplate_of_benchmarks_and_listed_n_grams_are_ignored(tmp_path):
    common = " ".join(WORDS[:14])
    at = written(tmp_path, [f"{common} {letter}" for letter in LETTERS[:11]])
    assert judged([common], against=str(at))[0]["drop"] is None
    assert judged([common], against=str(at), most_items=11)[0]["drop"] == "contaminated"
    listed = tmp_path / "frequent.txt"
    listed.write_text("\n".join([" ".join(WORDS[:13]).upper(), "- ".join(WORDS[1:14])]))
    (one,) = judged([common], against=str(at), most_items=11, frequent=str(listed))
    assert one["contamination_matches"] is None


def test_a_mapping_leads_into_fields_and_a_letter_names_a_choice(tmp_path):
    record = {"q": {"stem": "Which one?"}, "key": "B", "c": ["first", "the second"], "context": "Long ago."}
    other = {"q": {"stem": "And this?"}, "key": 0, "c": ["zeroth"]}
    at = written(tmp_path, [record, other, {"q": {"stem": "s"}, "key": ["alias", "more"]}], "my.test.jsonl")
    found = items([str(at)], Fields("id", "q.stem", "key", "c", "context"))
    assert [(one.benchmark, one.id, one.answer, one.passage) for one in found] == [
        ("my.test", "1", "the second", "Long ago."),
        ("my.test", "2", "zeroth", ""),
        ("my.test", "3", "alias", ""),
    ]


BAD = [
    (b"", {}, "no item in it"),
    (b'{"question": "why"}\n', {}, "no field 'text'"),
    (b'{"text": "why"}\n', {"answer": "gold"}, "no item of 1 has the field 'gold'"),
    (b'{"text": " ", "answer": "42"}\n', {}, "Answers alone"),
    (b'{"text": "why"}\n{"text": ', {}, "line 2: no JSON"),
    (b'["why"]\n', {}, "line 1: a list"),
    (b'{"text": {"a": "why"}}\n', {}, "the question is dict"),
    (b'{"text": "why"}\n{"text": "' + b"a " * MOST_ITEM + b'"}\n', {}, "line 2: more than"),
]


@pytest.mark.parametrize(("content", "settings", "said"), BAD)
def test_bad_benchmarks_are_refused_with_place_and_remedy(tmp_path, content, settings, said):
    path = tmp_path / "evals.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=said):
        _ = Decontaminate(against=str(path), **settings).files


def test_a_damaged_file_and_no_file_are_refused(tmp_path):
    path = tmp_path / "evals.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "why is it so"}\n' * 9_000)[:90])
    with pytest.raises(RecipeError, match=r"benchmark .* cannot be read"):
        _ = Decontaminate(against=str(path)).files
    with pytest.raises(RecipeError, match="no file matches"):
        _ = Decontaminate(against=str(tmp_path / "none*.jsonl")).files


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "`against` is not set"),
        ({"against": "a", "least_score": 2.0}, "0 to 1"),
        ({"against": "a", "least_words": 1}, "2"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        Decontaminate(**settings)


def test_a_benchmark_of_items_without_words_matches_nothing(tmp_path):
    at = written(tmp_path, ["...", "?!"])
    for rule in RULES:
        assert judged(["... ?!", "", prose(1, 50)], against=str(at), rule=rule)[0]["contamination_matches"] is None


@pytest.mark.parametrize("rule", RULES)
def test_a_hostile_document_takes_linear_time(tmp_path, rule):
    """Documents of one word, against items of the same word: four times as long may take 12 times as long, not 16."""
    at = written(tmp_path, ["a " * 500, "a " * 400 + "b", "a " * 8])
    stage = Decontaminate(against=str(at), rule=rule, action="report")
    taken = []
    for words in (30_000, 30_000, 120_000):
        rows = batch(["a " * words])
        start = time.process_time()
        stage.annotate(rows)
        taken.append(time.process_time() - start)
    assert taken[2] < 12 * taken[1] + 0.2


def test_real_text_gives_what_brute_force_gives(data):
    """Real documents, every tenth with a real item in it, against all 17 benchmarks."""
    against = str(data / "decontam" / "*.jsonl.gz")
    stage = Decontaminate(against=against)
    held = stage.loaded().items
    texts = [text for some in sample(data / "corpus", 3).values() for text in some if len(text) < 20_000]
    draw = random.Random(3)
    for n in range(0, len(texts), 10):
        item = draw.choice(held)
        texts[n] += f"\n{item.question} {item.answer}"
    rows = batch(texts)
    table = stage.checked(stage.annotate(rows), len(rows))
    truth = brute(texts, [f"{one.question}\n{one.answer}" for one in held], 13, 8, 10)
    pairs = {
        (row, match["benchmark"], match["item"])
        for row, matches in enumerate(table["contamination_matches"].to_pylist())
        for match in matches or ()
    }
    assert len(pairs) >= 5
    assert pairs == {(row, held[item].benchmark, held[item].id) for row, item in truth}


def test_n_grams_that_share_a_hash_are_told_apart_by_their_words():
    base = 0x9E3779B97F4A7C15  # the sum of (a, b) is a * base + b, modulo 2**64
    item, other = [7, 2**63], [8, (2**63 - base) % 2**64]
    held = index(measured(np.array([0, 2]), np.array(item, np.uint64), np.array([0]), 2, 2), 10, np.zeros(0, np.uint64))
    assert gram_hash(np.array(other, np.uint64)) == gram_hash(np.array(item, np.uint64))
    for words, hits in ((item, 1), (other, 0)):
        one = batch([""]).words._replace(first=np.array([0, 2]), hashes=np.array(words, np.uint64))
        assert len(found(one, held).row) == hits
