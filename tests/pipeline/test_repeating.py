"""Repeats over shards at rest: files between steps, any engine, any shards, any order; and what a kill leaves."""

import random
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import shards
from corpus.documents import BYTES, CORE, DIGEST, DROP, ID, TEXT, VALUE, Batch, digests
from corpus.errors import ShardError, StageError
from corpus.storage import names
from pipeline.engines import engine
from pipeline.exchange import gather
from pipeline.newest import Newest
from pipeline.repeating import repeat
from pipeline.repetition import Repetition
from pipeline.streaming import load, save
from stages.bloom import Filter, NgramBloom
from stages.paragraphs import Lines, Paragraphs
from stages.repeats import SENT
from stages.substring import Substring

STAGES = [
    Paragraphs(least_words=3),
    Lines(),
    Lines(least_count=3, keep="none", normalise=False),
    Substring(least_words=12),
    NgramBloom(ngram=5),
]
STEPS = ("fingerprints", "repeated", "stretches", "sent-stretches", "settled", "windows", "send", "match")
BY_CONTENT = [stage for stage in STAGES if not isinstance(stage, NgramBloom)]
each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage.name}-{stage.least_left_words}")
named = pytest.mark.parametrize("stage", BY_CONTENT, ids=lambda stage: stage.name)


def corpus(count, seed=1):
    """(id, text): sentences of a small language in paragraphs, notices on many pages, copies of whole pages."""
    draw = random.Random(seed)
    words = [f"word{n}" for n in range(400)]
    notices = [" ".join(draw.choices(words, k=draw.choice([4, 15, 40]))) + "." for _ in range(12)]
    rows = []
    for n in range(count):
        some = [" ".join(draw.choices(words, k=draw.randrange(3, 30))) + "." for _ in range(draw.randrange(6))]
        some += draw.choices(notices, k=draw.randrange(4))
        draw.shuffle(some)
        text = draw.choice(["\n", "\n\n"]).join(some)
        rows.append((f"page-{n:04d}", rows[draw.randrange(n)][1] if n % 9 == 8 else text))
    return rows


def rest(folder: Path, stage, rows, per_shard, before=None):
    """The rows at rest in shards, with what the stage emits of them. before: ids that an earlier stage dropped."""
    table = pa.table([[i for i, _ in rows], [t for _, t in rows], ["x"] * len(rows)], schema=CORE)
    text = table[TEXT].combine_chunks()
    table = table.append_column(BYTES, pa.array([len(t.encode()) for _, t in rows], pa.int64()))
    table = table.append_column(DIGEST, digests(text))
    found = []
    for number, start in enumerate(range(0, len(rows), per_shard)):
        part = table.slice(start, per_shard).combine_chunks()
        name = f"part-{number:05d}"
        found.append(name)
        shards.write(f"{folder}/documents/{name}.parquet", part)
        gone = pa.array(["gone" if i in (before or ()) else None for i in part[ID].to_pylist()], pa.string())
        shards.write(f"{folder}/before/{name}.parquet", pa.table({DROP: gone}))
        (whole,) = part.to_batches()
        shards.write(f"{folder}/emitted/{name}.parquet", stage.emit(Batch(whole)))
    return Repetition(
        stage=stage,
        newest=Newest(f"{folder}/documents"),
        emitted=f"{folder}/emitted",
        folder=f"{folder}/laid",
        before=(f"{folder}/before",),
        shards=tuple(found),
        parts=4,
    )


def laid(all_):
    """Id -> what the stage laid beside that document."""
    found = {}
    for name in all_.shards:
        columns = shards.read(f"{all_.folder}/{name}.parquet")
        assert columns.schema == all_.stage.schema()
        ids = shards.read(f"{all_.newest.documents}/{name}.parquet", [ID])[ID].to_pylist()
        found |= dict(zip(ids, columns.to_pylist(), strict=True))
    return found


def run(folder, stage, rows, per_shard, workers=1, before=None):
    all_ = rest(folder, stage, rows, per_shard, before)
    with engine("local", workers) as workforce:
        spent = list(repeat(all_, workforce))
    assert names(all_.work()) == set()
    assert all(set(one) == {"laid"} for one in spent)
    return laid(all_)


@each_stage
def test_workers_and_shards_change_nothing(tmp_path, stage):
    rows = corpus(500)
    one = run(tmp_path / "one", stage, rows, 1_000)
    assert run(tmp_path / "b", stage, rows, 37, workers=2) == one
    assert run(tmp_path / "c", stage, rows, 400) == one
    assert sum(row[TEXT] is not None for row in one.values()) > 50
    assert sum(row[DROP] is not None for row in one.values()) > 5


@named
def test_the_order_of_the_input_changes_nothing(tmp_path, stage):
    rows = corpus(200)
    shuffled = random.Random(5).sample(rows, len(rows))
    assert run(tmp_path / "a", stage, rows, 37) == run(tmp_path / "b", stage, shuffled, 41)


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["", "a b c", "a b c\n\nd e f", "x", "d e f\na b c\n"]), max_size=9), st.integers(1, 5))
def test_any_corpus_runs_and_columns_agree(tmp_path_factory, texts, per_shard):
    for stage in (Paragraphs(least_words=1), Substring(least_words=3), NgramBloom(ngram=2)):
        rows = [(f"{n}", text) for n, text in enumerate(texts)]
        found = run(tmp_path_factory.mktemp("any"), stage, rows, per_shard)
        for i, text in rows:
            row, data = found[i], text.encode()
            spans = row[f"{stage.name}_spans"] or []
            assert row["bytes_cut"] == sum(span["end"] - span["start"] for span in spans)
            assert (row["pieces_cut"] > 0) == bool(spans)
            stays = b"".join(
                data[a["end"] : b["start"]]
                for a, b in zip([{"end": 0}, *spans], [*spans, {"start": len(data)}], strict=True)
            )
            if row[TEXT] is not None:
                assert row[TEXT].encode() == stays != data
                assert row[BYTES] == len(stays)
                assert row[DIGEST] == digests(pa.array([row[TEXT]], pa.large_string()))[0].as_py()
            else:
                assert not spans or row[DROP] == "little left"
            assert (row[DROP] is None) == (row[VALUE] is None)


@each_stage
def test_what_earlier_stages_dropped_takes_no_part(tmp_path, stage):
    """As if it had never been there: a copy that is gone cuts nothing."""
    rows = corpus(120)
    gone = {i for i, _ in rows[::3]}
    with_them = run(tmp_path / "a", stage, rows, 37, before=gone)
    without = run(tmp_path / "b", stage, [row for row in rows if row[0] not in gone], 37)
    assert {i: row for i, row in with_them.items() if i not in gone} == without
    assert all(with_them[i][TEXT] is None and with_them[i][DROP] is None for i in gone)


@each_stage
def test_the_newest_text_is_what_is_cut(tmp_path, stage):
    """Newest lays what earlier stages made of a text over the documents: spans are of that one."""
    rows = corpus(60)
    all_ = rest(tmp_path, stage, rows, 37)
    for name in all_.shards:  # the documents at rest become older texts, and what was emitted lies over them
        table = shards.read(f"{tmp_path}/documents/{name}.parquet")
        shards.write(f"{tmp_path}/newer/{name}.parquet", table.select([TEXT, BYTES, DIGEST]))
        old = pa.array([f"older {n}" for n in range(table.num_rows)], pa.large_string())
        shards.write(
            f"{tmp_path}/documents/{name}.parquet", table.set_column(1, TEXT, old).set_column(4, DIGEST, digests(old))
        )
    moved = Repetition(**{**vars(all_), "newest": Newest(f"{tmp_path}/documents", (f"{tmp_path}/newer",))})
    with engine("local", 1) as workforce:
        list(repeat(moved, workforce))
    assert laid(moved) == run(tmp_path / "plain", stage, rows, 37)


@each_stage
def test_a_run_stopped_after_any_task_goes_on_and_does_nothing_twice(tmp_path, stage):
    rows = corpus(90)
    wanted = run(tmp_path / "whole", stage, rows, 37)
    with engine("local", 1) as workforce:
        tasks = len(list(repeat(rest(tmp_path / "count", stage, rows, 37), workforce)))
        for stop in range(tasks):
            all_ = rest(tmp_path / f"{stop}", stage, rows, 37)
            first = list(islice(repeat(all_, workforce), stop))
            second = list(repeat(all_, workforce))
            assert len(first) + len(second) == tasks
            assert laid(all_) == wanted


@named
def test_a_damaged_file_between_steps_is_made_again(tmp_path, stage):
    rows = corpus(90)
    wanted = run(tmp_path / "whole", stage, rows, 37)
    with engine("local", 1) as workforce:
        for turn, step in enumerate(STEPS):
            all_ = rest(tmp_path / step, stage, rows, 37)
            damaged = 0
            for _ in repeat(all_, workforce):
                for url in all_.files(step)[: not damaged]:
                    content = bytearray(Path(url).read_bytes())
                    content[len(content) // 3] ^= 1
                    Path(url).write_bytes(content)
                    damaged += 1
            assert laid(all_) == wanted
            assert damaged == (turn > 5 or isinstance(stage, Substring))


def test_a_line_on_every_page_is_sent_once_a_shard(tmp_path):
    rows = [(f"{n}", f"Read more\nown {n} text\nRead more") for n in range(60)]
    all_ = rest(tmp_path, Lines(normalise=False), rows, 20)
    with engine("local", 1) as workforce:
        list(islice(repeat(all_, workforce), 3))  # the three shards have sent
    sent = pa.concat_tables([gather(all_.files("send"), part, SENT) for part in range(4)]).to_pylist()
    assert sorted(row["count"] for row in sent) == [1] * 60 + [40] * 3


def test_a_filter_too_small_stops_the_run_with_the_numbers(tmp_path):
    rows = corpus(60)
    with pytest.raises(StageError, match="the filter was made for 300"):
        run(tmp_path, NgramBloom(ngrams=300), rows, 20)


def test_a_filter_counted_from_the_corpus_is_never_too_small(tmp_path):
    rows = [(f"{n}", " ".join(f"w{n}x{k}" for k in range(100))) for n in range(20)]
    found = run(tmp_path, NgramBloom(), rows, 7)
    assert all(row[DROP] is None and row["seen_share"] < 0.1 for row in found.values())


def test_a_saved_filter_comes_back_and_a_flipped_bit_is_found(tmp_path):
    seen = Filter.of(1_000, 0.01)
    NgramBloom(ngram=2).judged(
        Batch(pa.record_batch([["a"], pa.array(["a b c d e f g"], pa.large_string()), ["x"]], schema=CORE)), seen
    )
    url = f"{tmp_path}/one.bloom"
    save(url, seen)
    back = load(url)
    assert (back.probes, back.most, back.held) == (seen.probes, 1_000, 6)
    assert np.array_equal(back.bits, seen.bits)
    content = bytearray(Path(url).read_bytes())
    content[-100] ^= 4
    for broken in (content, content[:-8], b"{}", b""):
        Path(url).write_bytes(broken)
        with pytest.raises(ShardError, match=r"one\.bloom: damaged"):
            load(url)
