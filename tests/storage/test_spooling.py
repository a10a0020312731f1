"""Standard input: laid down once, read like any file, found again, and refused where it cannot be meant."""

import gzip
import json
import os
from dataclasses import replace
from io import BytesIO

import pytest

from corpus.errors import RecipeError, SourceError
from corpus.source import Source
from corpus.storage import names, read_bytes
from pipeline.engines import engine
from pipeline.finished import Finished, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from pipeline.spooling import spooled

LINES = "".join(json.dumps({"id": f"r{n}", "text": f"number {n}"}) + "\n" for n in range(20)).encode()


@pytest.fixture(params=["file", "memory"])
def home(request, tmp_path):
    return Home(str(tmp_path / "run") if request.param == "file" else f"memory://spooling/{tmp_path.name}")


def recipe(*paths):
    return parse({"name": "piped", "sources": [{"path": path} for path in paths]})


def ran(asked, home):
    with engine("local", 1) as workforce:
        return Run(asked, home, workforce, Silent())()


def test_what_is_piped_is_a_file_of_the_run_and_gives_the_digest_of_that_file(home, tmp_path):
    (tmp_path / "stdin.jsonl").write_bytes(LINES)
    there = ran(recipe(str(tmp_path / "stdin.jsonl")), Home(str(tmp_path / "other")))
    report = ran(spooled(recipe("-"), home, BytesIO(LINES)), home)
    assert report["digest"] == there["digest"]
    assert [row["id"] for table in Finished.at(home.at).tables(kept) for row in table.to_pylist()][:2] == ["r0", "r1"]
    assert read_bytes(home.path("stdin", "stdin.jsonl")) == LINES


def test_a_later_run_without_a_pipe_goes_on_with_it(home):
    first = spooled(recipe("-"), home, BytesIO(LINES))
    assert spooled(recipe("-"), home, None) == first
    leader, terminal = os.openpty()
    with open(terminal, "rb", buffering=0) as stdin:
        assert spooled(recipe("-"), home, stdin) == first
    os.close(leader)


def test_other_content_takes_its_place_and_half_of_it_does_not(home):
    class Broken(BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError("the pipe broke")
            return super().read(10)

    spooled(recipe("-"), home, BytesIO(LINES))
    with pytest.raises(OSError, match="the pipe broke"):
        spooled(recipe("-"), home, Broken(LINES[::-1]))
    assert read_bytes(home.path("stdin", "stdin.jsonl")) == LINES
    spooled(recipe("-"), home, BytesIO(gzip.compress(LINES)))
    assert names(home.path("stdin")) == {"stdin.jsonl.gz"}
    assert ran(spooled(recipe("-"), home, None), home)["documents"]["read"] == 20


def test_the_format_is_the_sources_own_and_else_jsonl(home):
    asked = recipe("-")
    text = replace(asked, sources=(replace(asked.sources[0], format="text"),))
    assert spooled(text, home, BytesIO(b"plain")).sources[0].path.endswith("/stdin/stdin.txt")
    assert spooled(asked, home, BytesIO(LINES)).sources[0].format == "jsonl"


def test_a_recipe_without_standard_input_is_left_alone_and_the_pipe_unread(home):
    pipe, asked = BytesIO(LINES), recipe("a.jsonl", "b.jsonl")
    assert spooled(asked, home, pipe) is asked
    assert pipe.tell() == 0


def test_what_cannot_be_meant_is_refused(home):
    with pytest.raises(RecipeError, match=r"sources\[0\] and sources\[2\].*read once"):
        spooled(recipe("-", "a.jsonl", "-"), home, BytesIO(LINES))
    with pytest.raises(RecipeError, match="a source of its own"):
        spooled(replace(recipe("-"), sources=(Source(path=("-", "a.jsonl")),)), home, BytesIO(LINES))
    with pytest.raises(RecipeError, match=r"Pipe something"):
        spooled(recipe("-"), home, None)
    with pytest.raises(RecipeError, match=r"--at"):
        spooled(recipe("-"), None, BytesIO(LINES))
    with pytest.raises(SourceError, match=r"empty"):
        spooled(recipe("-"), home, BytesIO(b""))
    assert names(home.path("stdin")) == set()


def test_a_terminal_is_refused_where_nothing_was_piped_before(home):
    leader, terminal = os.openpty()
    with open(terminal, "rb", buffering=0) as stdin, pytest.raises(RecipeError, match="is a terminal"):
        spooled(recipe("-"), home, stdin)
    os.close(leader)
