"""Real runs for the end-to-end tests: the command line in processes of its own, on inputs made here."""

import gzip
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.laws.corpora import planted

ROOT = Path(__file__).parents[2]
STAGES = [{"gopher_quality": {"min_words": 30}}, "pii", "exact", "minhash"]
"""One of each kind: Local stages that judge and that rewrite, Global ones. Every stage there is runs in one test."""


def corpus(folder: Path, documents: int = 1_200, seed: int = 1) -> Path:
    """Inputs in every format, with duplicates across files: plain JSONL, gzip, Parquet and text files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [text for text in planted(documents, seed) if "\x00" not in text]
    quarter = len(texts) // 4
    rows = [{"id": f"r{n}", "text": text, "domain": f"d{n % 3}"} for n, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:quarter]))
    with gzip.open(folder / "b.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[quarter : 2 * quarter])
    pq.write_table(pa.Table.from_pylist(rows[2 * quarter : 3 * quarter]), folder / "c.parquet", row_group_size=100)
    (folder / "files").mkdir(exist_ok=True)
    for row in rows[3 * quarter : 3 * quarter + 150]:
        if row["text"].strip():
            (folder / "files" / f"{row['id']}.txt").write_text(row["text"])
    return folder


def recipe(at: Path, inputs: Path, **more: object) -> Path:
    """A recipe for `corpus`, with tokens; shards of 0.1 MB so that there are many."""
    names = ("a.jsonl", "b.jsonl.gz", "c.parquet")
    sources = [{"path": f"{inputs}/{name}", "domain_field": "domain"} for name in names]
    sources.append({"path": f"{inputs}/files/*.txt", "domain": "files"})
    tokens = {"tokenizer": "train", "vocab": 600, "train_mb": 0.2}
    at.parent.mkdir(parents=True, exist_ok=True)
    whole = {"name": "e2e", "sources": sources, "stages": STAGES, "tokens": tokens, "shard_mb": 0.1}
    at.write_text(yaml.safe_dump(whole | more))
    return at


def environment() -> dict[str, str]:
    """The tests' own environment, with the working tree first among Python's packages."""
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def start(*arguments: object) -> subprocess.Popen:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def winnow(*arguments: object, code: int = 0) -> str:
    """What the command prints on stdout; fails with its stderr where the exit code is another."""
    if str(arguments[0]) in LOOKING:
        returned, out, err = _forked(*map(str, arguments))
    else:
        process = start(*arguments)
        out, err = process.communicate(timeout=300)
        returned = process.returncode
    assert returned == code, f"exit {returned}: {err}"
    return out if code == 0 or out else err


LOOKING = ("stages", "schema", "show", "report", "export", "plan")
"""Verbs that start no worker: asked some 200 times, of a process that has imported everything once (0.9 s each)."""

_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(["pipeline.cli", "pipeline.run", "pipeline.export", "stages.table"])


def _forked(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line in a process of its own, forked from a warm one."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _WARM.Process(target=_command_line, args=(arguments, os.getcwd(), dict(os.environ), out, err))
        process.start()
        process.join(300)
        assert process.exitcode is not None, f"{arguments} has not ended in 300 s"
        return process.exitcode, out.read_text(), err.read_text()


def _command_line(arguments: tuple[str, ...], at: str, environ: dict[str, str], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(at)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["winnow", *arguments]
    sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")  # noqa: SIM115
    from pipeline.cli import main

    sys.exit(main())


def winnow_json(*arguments: object, code: int = 0) -> dict:
    """The last line of its stdout, as JSON."""
    return json.loads(winnow(*arguments, "--json", code=code).splitlines()[-1])


def kill_tree(process: subprocess.Popen) -> None:
    """`kill -9` for the process and all that it started, children first seen, parent first killed."""
    try:
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.communicate()
