"""Quotas and buckets over shards at rest: who is kept is what a sort says, whoever counted, in whatever shards."""

import json
import math
import random
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import DROP, ID, VALUE
from corpus.errors import RecipeError, SourceError
from corpus.hashing import digest128, hash64
from pipeline import ranking
from pipeline.engines import engine
from pipeline.finished import Finished, everything
from pipeline.home import Home
from pipeline.plan import plan
from pipeline.progress import Silent
from pipeline.recipe import dump, loads, parse
from pipeline.run import Run
from pipeline.thresholds import THRESHOLDS
from stages.base import Stage
from stages.buckets import Buckets
from stages.quota import Quota
from stages.table import TABLE
from tests.laws.corpora import prose


@dataclass(frozen=True, kw_only=True)
class Scorer(TABLE["gopher_quality"]):
    """A stage that measures and brings a quota along, as a model of quality does."""

    keep_share: float | None = None

    name = "scorer"
    advisory = ("keep_share",)

    @property
    def then(self) -> tuple[Stage, ...]:
        return () if self.keep_share is None else (Quota(column="words", keep_share=self.keep_share),)


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The stages of these tests in the table that a finished run's recipe is read with."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Quota, Buckets, Scorer):
            patch.setitem(TABLE, kind.name, kind)
        yield


def ran(folder, rows, stages, *, files=1, workers=1, engine_name="local", **more):
    """A finished run over the rows, dealt to files in order; ids, texts and scores as they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    size = max(1, -(-len(rows) // files))
    for number in range(files):
        part = rows[number * size : (number + 1) * size]
        (folder / f"{number:03d}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    fields = sorted({name for row in rows for name in row} - {"id", "text", "domain"})
    source = {"path": f"{folder}/*.jsonl", "domain_field": "domain", "fields": fields}
    recipe = parse({"name": "ranked", "sources": [source], "stages": stages} | more)
    with engine(engine_name, workers) as workforce:
        Run(recipe, Home(str(folder / "run")), workforce, Silent())()
    return Finished.at(str(folder / "run"))


def table(run):
    return [row for one in run.tables(everything) for row in one.to_pylist()]


def said(run, name):
    step = next(step for step in run.plan.judged if step.name == name)
    return run.home.json(f"{step.folder}/{THRESHOLDS}")


def kept_by_sorting(rows, share, groups=("domain",)):
    """Ids that a quota of bytes keeps of rows with scores, the highest first, by its definition."""
    found = set()
    by_group: dict = {}
    for row in rows:
        if row["score"] is not None:
            by_group.setdefault(tuple(row[name] for name in groups), []).append(row)
    for some in by_group.values():
        tie = digest128(pa.array([row["text"] for row in some], pa.large_string()))[0].tolist()
        last = hash64(pa.array([row["id"] for row in some]), 0).tolist()
        order = sorted(range(len(some)), key=lambda n: (-float(some[n]["score"]), tie[n], last[n]))
        total, ahead = sum(len(row["text"].encode()) for row in some), 0
        for n in order:
            size = len(some[n]["text"].encode())
            if 2 * ahead + size <= int(2 * Fraction(str(share)) * total):
                found.add(some[n]["id"])
            ahead += size
    return found


score = st.sampled_from([0.0, -0.0, 1.0, -1.0, None, 5e-324, 0.1]) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.lists(st.tuples(score, st.sampled_from("abc"), st.integers(1, 40)), min_size=1, max_size=40)


@settings(max_examples=15)
@given(
    documents, st.sampled_from([0.05, 0.3, 0.5, 1.0]), st.integers(1, 3), st.sampled_from([0.0005, 64]), st.randoms()
)
def test_a_quota_keeps_what_a_sort_says_in_any_order_and_shards(tmp_path_factory, some, share, files, shard_mb, draw):
    rows = [
        {"id": f"d{n}", "text": prose(n % 3, words), "domain": domain, "score": score}
        for n, (score, domain, words) in enumerate(some)
    ]
    draw.shuffle(rows)
    stages = [{"quota": {"column": "score", "keep_share": share, "per": ["domain"]}}]
    if all(row["score"] is None for row in rows):
        with pytest.raises(SourceError, match=r"no document of .* has a field 'score'"):
            ran(tmp_path_factory.mktemp("q"), rows, stages, files=files, shard_mb=shard_mb)
        return
    laid = table(ran(tmp_path_factory.mktemp("q"), rows, stages, files=files, shard_mb=shard_mb))
    kept = {row[ID] for row in laid if row[DROP] is None}
    assert kept == kept_by_sorting(rows, share)
    for row in laid:
        assert (row[DROP] == "no_score") == (row["score"] is None)
        if row[DROP] == "quota":
            assert row[VALUE] == float(row["score"])


def corpus(count=300, seed=1):
    draw = random.Random(seed)
    return [
        {
            "id": f"d{n:04d}",
            "text": prose(n % 200, draw.randrange(5, 60)),
            "domain": f"s{n % 3}",
            "score": draw.choice([0, 0.5, 1]) if n % 3 else draw.random(),
            "tokens": draw.randrange(1, 400),
        }
        for n in range(count)
    ]


def test_thresholds_say_what_was_asked_what_was_found_and_by_what(tmp_path):
    rows = corpus()
    stages = [{"quota": {"column": "score", "keep_share": 0.3, "of": "tokens", "per": ["domain"]}}]
    run = ran(tmp_path, rows, stages)
    facts, laid = said(run, "quota"), table(run)
    assert (facts["of"], facts["per"], facts["order"]) == ("tokens", ["domain"], "descending")
    assert facts["scorers"] == [{"column": "score", "stage": None, "version": None, "fingerprint": None, "files": {}}]
    assert [cut["group"] for cut in facts["cuts"]] == [{"domain": f"s{n}"} for n in range(3)]
    for cut in facts["cuts"]:
        came = [row for row in rows if row["domain"] == cut["group"]["domain"]]
        kept = {row[ID] for row in laid if row[DROP] is None}
        mine = [row for row in came if row["id"] in kept]
        size = sum(row["tokens"] for row in came)
        assert (cut["documents"], cut["size"], cut["unscored"]) == (len(came), size, 0)
        assert cut["found"]["documents"] == len(mine)
        assert cut["found"]["size"] == sum(row["tokens"] for row in mine)
        assert abs(cut["found"]["size"] - 0.3 * size) <= max(row["tokens"] for row in came) / 2
        assert min(row["score"] for row in mine) >= cut["threshold"]
        assert max(row["score"] for row in came if row not in mine) <= cut["threshold"]


def test_a_threshold_names_the_stage_that_made_the_scores(tmp_path):
    run = ran(tmp_path, corpus(60), [{"scorer": {"min_words": 1, "keep_share": 0.5}}])
    made = said(run, "quota")["scorers"][0]
    step = next(step for step in run.plan.judged if step.name == "scorer")
    assert (made["stage"], made["fingerprint"]) == ("scorer", step.fingerprint)


def test_a_stage_brings_along_others_once():
    source = {"path": "a"}
    recipe = parse({"name": "t", "sources": [source], "stages": ["exact", {"scorer": {"keep_share": 0.3}}, "minhash"]})
    assert [stage.name for stage in recipe.stages] == ["exact", "scorer", "quota", "minhash"]
    assert recipe.stages[2] == Quota(column="words", keep_share=0.3)
    assert loads(dump(recipe)) == recipe
    assert "quota" not in dump(recipe)
    alone = parse({"name": "t", "sources": [source], "stages": ["scorer"]})
    assert [stage.name for stage in alone.stages] == ["scorer"]


def test_what_a_stage_brings_while_reading_comes_first_behind_it():
    settings = {"name": "t", "sources": [{"path": "a"}], "while_reading": [{"scorer": {"keep_share": 0.3}}]}
    recipe = parse(settings | {"stages": ["exact"]})
    assert [stage.name for stage in recipe.while_reading] == ["scorer"]
    assert [stage.name for stage in recipe.stages] == ["quota", "exact"]
    assert loads(dump(recipe)) == recipe


def test_a_new_share_measures_nothing_again(tmp_path):
    rows = corpus(60)
    runs = [ran(tmp_path / f"{n}", rows, [{"quota": {"column": "score", "keep_share": n / 10}}]) for n in (3, 6)]
    emitted = {step.fingerprint for run in runs for step in run.plan.steps if step.kind == "emit"}
    assert len(emitted) == 1
    assert runs[0].report["documents"]["kept"] < runs[1].report["documents"]["kept"]


def test_shares_are_nested(tmp_path):
    """Who is among the best tenth is among the best third."""
    kept = []
    for share in (0.1, 0.33, 0.34, 1.0):
        run = ran(tmp_path / f"{share}", corpus(), [{"quota": {"column": "score", "keep_share": share}}])
        kept.append({row[ID] for row in table(run) if row[DROP] is None})
    assert kept[0] < kept[1] <= kept[2] < kept[3]
    assert len(kept[3]) == 300


def test_the_lowest_are_kept_where_low_is_best(tmp_path):
    rows = [row | {"score": n} for n, row in enumerate(corpus(100))]
    run = ran(tmp_path, rows, [{"quota": {"column": "score", "best": "low", "of": "documents", "keep_share": 0.2}}])
    assert sorted(int(row["score"]) for row in table(run) if row[DROP] is None) == list(range(20))
    assert said(run, "quota")["cuts"][0]["threshold"] in (19.0, 20.0)


def test_noise_draws_in_proportion_to_the_exponent_of_the_score(tmp_path):
    """Of 2,000 documents, half of weight 3 and half of weight 1, a tenth drawn: about 3 of 4 are of weight 3.

    Without replacement a little less: 74.3 % expected, 3.1 % one standard error of 200 draws.
    """
    rows = [{"id": f"d{n}", "text": "t", "domain": "web", "score": math.log(3) if n % 2 else 0.0} for n in range(2_000)]
    quota = {"column": "score", "of": "documents", "keep_share": 0.1, "gumbel": 5}
    kept = [row for row in table(ran(tmp_path, rows, [{"quota": quota}])) if row[DROP] is None]
    assert len(kept) == 200
    assert 0.65 < sum(float(row["score"]) > 0 for row in kept) / 200 < 0.83


def test_a_run_that_was_stopped_goes_on_with_the_shards_that_are_missing(tmp_path):
    stages = [{"quota": {"column": "score", "keep_share": 0.3}}]
    run = ran(tmp_path, corpus(), stages, shard_mb=0.005)
    folder = tmp_path / "run" / run.plan.judged[0].folder
    laid = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in sorted(laid)[::2]:
        (folder / name).unlink()
    again = ran(tmp_path, corpus(), stages, shard_mb=0.005)
    assert again.report["digest"] == run.report["digest"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == laid


def test_a_column_without_any_number_is_refused(tmp_path):
    rows = [row | {"score": "good"} for row in corpus(20)]
    with pytest.raises(RecipeError, match="none of the 20 documents has a number in the column 'score'"):
        ran(tmp_path, rows, [{"quota": {"column": "score"}}])


def test_a_stage_may_read_what_a_global_one_laid(tmp_path):
    """Buckets are known after a comparison of all documents, so what reads them is another pass."""
    per = {"column": "score", "keep_share": 0.5, "per": ["level"], "of": "documents"}
    run = ran(tmp_path, corpus(), [{"buckets": {"columns": ["score"]}}, {"quota": per}], shard_mb=0.005)
    laid = table(run)
    for cut in said(run, "quota")["cuts"]:
        mine = [row for row in laid if row["level"] == cut["group"]["level"]]
        assert len(mine) == cut["documents"]
        assert abs(2 * sum(row[DROP] is None for row in mine) - len(mine)) <= 1
    steps = plan(run.plan.recipe).steps
    assert [step.turn for step in steps if step.kind in ("emit", "global")] == [0, 0, 1, 1]


def test_buckets_hold_equal_parts_of_the_bytes(tmp_path):
    rows = [row | {"score": random.Random(n).random()} for n, row in enumerate(corpus(1_000))]
    laid = table(ran(tmp_path, rows, [{"buckets": {"columns": ["score"]}}], shard_mb=0.02))
    size = {row["id"]: len(row["text"].encode()) for row in rows}
    total, most = sum(size.values()), max(size.values())
    ahead = 0
    for bucket in range(20):
        ahead += sum(size[row[ID]] for row in laid if row["bucket"] == bucket)
        assert abs(ahead - (bucket + 1) * total / 20) <= most
    by_score = sorted(laid, key=lambda row: float(row["score"]))
    assert [row["bucket"] for row in by_score] == sorted(row["bucket"] for row in laid)
    assert all(row[DROP] is None for row in laid)


def test_percentiles_of_a_hundred_documents(tmp_path):
    """Scores 0 to 99, one text: 30 % are the scores 0 to 29, and 30 is the first of the middle, as CCNet parts them."""
    rows = [{"id": f"d{n}", "text": "one text", "domain": "web", "score": n} for n in range(100)]
    levels = {"columns": ["score"], "edges": [30.0, 60.0], "names": ["head", "middle", "tail"]}
    run = ran(tmp_path, rows, [{"buckets": levels}])
    expected = {n: "head" if n < 30 else "middle" if n < 60 else "tail" for n in range(100)}
    assert {int(row["score"]): row["level"] for row in table(run)} == expected
    assert [cut["threshold"] for cut in said(run, "buckets")["cuts"]] == [30.0, 60.0]


def test_documents_dropped_before_take_no_part(tmp_path):
    rows = corpus(200)
    rows += [row | {"id": f"copy-{row['id']}", "score": 2} for row in rows[:50]]
    run = ran(tmp_path, rows, ["exact", {"quota": {"column": "score", "of": "documents", "keep_share": 0.5}}])
    came = run.report["stages"][1]["documents_in"]
    assert came < 250
    assert run.report["documents"]["kept"] == pytest.approx(came / 2, abs=1)
    assert said(run, "quota")["cuts"][0]["documents"] == came


def test_copies_are_parted_by_their_ids_whatever_their_order(tmp_path):
    ids = [f"d{n}" for n in range(64)]
    least = set(sorted(ids, key=lambda one: int(hash64(pa.array([one]), 0)[0]))[:16])
    for turn, files in enumerate((1, 3)):
        rows = [{"id": one, "text": "one text", "domain": "web", "score": 1} for one in ids[:: 1 - 2 * turn]]
        run = ran(tmp_path / f"{turn}", rows, [{"quota": {"column": "score", "keep_share": 0.25}}], files=files)
        assert {row[ID] for row in table(run) if row[DROP] is None} == least


def test_copies_of_one_id_are_parted_by_place(tmp_path):
    """One text, one score, one id: nothing but the address tells them apart, and the share is still exact."""
    rows = [{"id": "same", "text": "one text", "domain": "web", "score": 1} for _ in range(64)]
    run = ran(tmp_path, rows, [{"quota": {"column": "score", "keep_share": 0.25}}], files=3)
    assert run.report["documents"]["kept"] == 16


def test_nothing_that_came_makes_no_share(tmp_path):
    run = ran(tmp_path, corpus(20), [{"gopher_quality": {"min_words": 9_999}}, {"quota": {"column": "score"}}])
    assert said(run, "quota")["cuts"] == []
    assert run.report["documents"]["kept"] == 0


def test_more_groups_than_fit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_CUTS", 10)
    with pytest.raises(RecipeError, match="makes more than 10 groups"):
        ran(tmp_path, corpus(30), [{"quota": {"column": "score", "per": ["id"]}}])


def test_a_column_that_nobody_lays_is_refused_before_anything_is_read():
    recipe = parse({"name": "t", "sources": [{"path": "a"}], "stages": [{"quota": {"column": "quality"}}]})
    with pytest.raises(RecipeError, match="quota: it reads a column 'quality'"):
        plan(recipe)
