"""The command line's contract: exit codes, refusals, signals, pipes, and every documented command."""

import gzip
import html
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from itertools import product

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.classifiers.encoder_folders import graded, static
from tests.classifiers.label_server import serving
from tests.corpus.archive_files import page
from tests.e2e.runs import ROOT, corpus, ended, environment, recipe, winnow, winnow_json
from tests.laws.corpora import planted


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small finished run and its recipe."""
    folder = tmp_path_factory.mktemp("cli")
    path = recipe(folder / "recipe.yaml", corpus(folder / "in", 160))
    winnow("run", path, "--at", folder / "run", "--workers", 1)
    return folder / "run", path


def refused(*arguments, code=2):
    """What an error says on stderr; it is no traceback, and with --json it says the same on stdout."""
    returned, out, err = ended(*arguments, "--json")
    assert returned == code, err
    assert "Traceback" not in err
    (line,) = out.splitlines()
    message = json.loads(line)["error"]["message"]
    assert message in err
    return message


WRONG = {
    "no such verb": ("frob",),
    "no such option": ("report", "{run}", "--frob"),
    "no argument": ("run",),
    "no --at": ("run", "{recipe}"),
    "no recipe file": ("run", "{run}/none.yaml", "--at", "{new}"),
    "a folder as a recipe": ("run", "{run}", "--at", "{new}"),
    "no such setting": ("run", "{recipe}", "--at", "{new}", "--set", "minhash.band=3"),
    "no such engine": ("run", "{recipe}", "--at", "{new}", "--engine", "spark"),
    "an address without Ray": ("run", "{recipe}", "--at", "{new}", "--address", "auto"),
    "no workers": ("run", "{recipe}", "--at", "{new}", "--workers", "0"),
    "a share of nothing": ("run", "{recipe}", "--at", "{new}", "--max-bad", "lots"),
    "--at is a file": ("run", "{recipe}", "--at", "{recipe}"),
    "--at is in a file": ("run", "{recipe}", "--at", "{recipe}/run"),
    "--at cannot be made": ("run", "{recipe}", "--at", "/proc/winnow/run"),
    "--at of a plan is a file": ("plan", "{recipe}", "--at", "{recipe}"),
    "--at nobody knows": ("run", "{recipe}", "--at", "gopher://run"),
    "no run": ("report", "{new}"),
    "no run to show": ("show", "{new}"),
    "no run to show bad records of": ("show", "{new}", "--bad"),
    "no run to export": ("export", "{new}", "{new}.jsonl"),
    "a file as a run": ("report", "{recipe}"),
    "a protocol nobody knows": ("report", "gopher://run"),
    "no such reason": ("show", "{run}", "--dropped-by", "word"),
    "no such id": ("show", "{run}", "--id", "nobody"),
    "no such cluster": ("show", "{run}", "--cluster", "nobody"),
    "two questions": ("show", "{run}", "--id", "r1", "--bad"),
    "no documents": ("show", "{run}", "-n", "0"),
    "no such stage": ("stages", "minhas"),
    "no such format": ("export", "{run}", "{new}", "--format", "csv"),
    "no such part": ("export", "{run}", "{new}", "--what", "most"),
    "nothing is exported so": ("export", "{run}", "{new}.csv"),
    "name and format differ": ("export", "{run}", "{new}.parquet", "--format", "jsonl"),
}


@pytest.mark.parametrize("case", WRONG)
def test_asked_wrongly_is_exit_code_2(made, tmp_path, case):
    places = {"run": made[0], "recipe": made[1], "new": tmp_path / "new"}
    assert refused(*(argument.format(**places) for argument in WRONG[case]))
    assert not list(tmp_path.glob("new*/*"))


def test_refusals_name_what_would_mend_them(made):
    assert "'minhash'" in refused("stages", "minhas")
    assert "'words'" in refused("show", made[0], "--dropped-by", "word")
    assert "recipe.yaml" in refused("run", made[1].with_name("recipe.yml"), "--at", made[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_work(made, tmp_path):
    (tmp_path / "mine").mkdir(mode=0o500)
    assert "may not write" in refused("run", made[1], "--at", tmp_path / "mine")
    assert "cannot be made" in refused("run", made[1], "--at", tmp_path / "mine" / "run")


def test_somebodys_recipe_is_not_overwritten(made, tmp_path):
    """`--at .` beside one's own recipe.yaml would put the run's copy, without comments, in its place."""
    mine = tmp_path / "recipe.yaml"
    mine.write_text(made[1].read_text() + "# my own words\n")
    assert "overwritten" in refused("run", mine, "--at", tmp_path)
    assert mine.read_text().endswith("# my own words\n")


def test_work_that_fails_is_exit_code_1(made, tmp_path):
    at = tmp_path / "run"
    shutil.copytree(made[0], at)
    (at / "report.json").write_text((at / "report.json").read_text()[:100])
    assert "damaged" in refused("report", at, code=1)
    (at / "report.json").unlink()
    assert "damaged" in refused("show", at, code=1)
    winnow("run", made[1], "--at", at, "--workers", 1)
    assert winnow_json("report", at)["documents"] == winnow_json("report", made[0])["documents"]
    figures = json.loads((at / "report.json").read_text())
    figures["documents"]["kept"] += 1
    (at / "report.json").write_text(json.dumps(figures))
    assert "do not add up" in refused("report", at, code=1)
    winnow("run", made[1], "--at", at, "--workers", 1)
    next(at.glob("documents-*/*.parquet")).unlink()
    assert "not there" in refused("show", at, "-n", 9999, code=1)


def test_a_full_disk_is_one_line(made):
    with open("/dev/full", "w") as full:
        process = subprocess.run([*WINNOW, "schema"], env=environment(), stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert "No space left" in line


WINNOW = (sys.executable, "-m", "pipeline")


@pytest.mark.parametrize("arguments", [("show", "{run}", "-n", 999), ("show", "{run}", "--json"), ("--help",)])
def test_a_reader_that_leaves_early_is_no_error(made, arguments):
    command = [*WINNOW, *(str(argument).format(run=made[0]) for argument in arguments)]
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(command, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, "")


def test_without_a_stdout_nothing_breaks(made):
    closed = f"{WINNOW[0]} -m pipeline report {made[0]} >&-"
    done = subprocess.run(["bash", "-c", closed], env=environment(), stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_text_that_the_locale_cannot_write_is_no_error(made):
    ascii_only = environment() | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([*WINNOW, "show", made[0], "-n", "99"], env=ascii_only, capture_output=True)
    assert done.returncode == 0
    done.stdout.decode("utf-8")


# Signals


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A recipe whose run takes some seconds, and what an undisturbed run gives."""
    folder = tmp_path_factory.mktemp("signals")
    with (folder / "in.jsonl").open("w") as file:
        texts = [text for text in planted(4_000, 5) if "\x00" not in text]
        file.writelines(json.dumps({"id": f"{n}", "text": text}) + "\n" for n, text in enumerate(texts))
    whole = {
        "name": "large",
        "sources": [{"path": f"{folder}/in.jsonl"}],
        "stages": ["exact", "minhash"],
        "tokens": {"tokenizer": "train", "vocab": 3_000, "train_mb": 4},
        "shard_mb": 0.2,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(whole))
    return folder / "recipe.yaml", winnow_json("run", folder / "recipe.yaml", "--at", folder / "run")


def started(path, at, *more):
    """A run as a terminal starts it, in a process group of its own, that has begun to work; and its family."""
    command = [*WINNOW, "run", path, "--at", at, "--json", *more]
    process = subprocess.Popen(
        list(map(str, command)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where tests run in the background
    )
    end = time.monotonic() + 60
    while not ((at / "log.jsonl").exists() and '"task"' in (at / "log.jsonl").read_text()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
    return process, psutil.Process(process.pid).children(recursive=True)


def living(family):
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


ENGINES = {"one": ("--workers", 1), "two": ("--workers", 2), "ray": ("--engine", "ray", "--workers", 2)}
REPEATED = {("one", "Ctrl-C"), ("one", "SIGINT"), ("ray", "SIGINT"), ("ray", "Ctrl-C")}
"""6 s of CPU each, for what the same signal with two workers and the other signals with the same engine show."""


def stops():
    """Every engine with every signal."""
    for (name, engine), how in product(ENGINES.items(), ("Ctrl-C", "SIGINT", "SIGTERM")):
        marks = [pytest.mark.ray] * (name == "ray") + [pytest.mark.slow] * ((name, how) in REPEATED)
        yield pytest.param(engine, how, id=f"{name}-{how}", marks=marks)


@pytest.mark.parametrize(("engine", "how"), list(stops()))
def test_a_stopped_run_says_so_leaves_no_worker_and_goes_on(large, tmp_path, how, engine):
    """Ctrl-C reaches every process of the terminal's group, `kill` the driver alone."""
    path, undisturbed = large
    at = tmp_path / "run"
    process, family = started(path, at, *engine)
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(getattr(signal, how))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(out.splitlines()[-1])["error"]["kind"] == "Stopped"
    assert "Traceback" not in err
    assert "winnow: stopped" in err
    end = time.monotonic() + 120  # Ray's agents look for their raylet now and then, 3 times in 10 after 60 s
    while living(family) and time.monotonic() < end:
        time.sleep(0.1)
    assert not living(family)
    assert winnow_json("run", path, "--at", at, "--workers", 2)["digest"] == undisturbed["digest"]


def test_two_runs_do_not_write_to_one_folder(large, tmp_path):
    at = tmp_path / "run"
    process, _ = started(large[0], at, "--workers", 1)
    process.send_signal(signal.SIGSTOP)  # it holds the folder, however long the second one takes to start
    try:
        assert "another winnow run" in refused("run", large[0], "--at", at, code=1)
    finally:
        process.kill()
        process.communicate()


# Documented commands


def code(name):
    """Code blocks of a document, fenced or indented, in order; a line that ends in a backslash goes on."""
    path = ROOT / name
    text = path.read_text().replace("\\\n", " ") if path.exists() else ""
    pattern = r"^```(?:sh|bash|console|shell|yaml)\n(.*?)^```|((?:^    [^\n]*\n|^\n)+)"
    found = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(fenced or indented).strip("\n") for fenced, indented in found]


def commands(blocks):
    """Lines of code blocks that call winnow; `winnow VERB` is a pattern, not a command."""
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"winnow +[a-z-]", line)]


def documented():
    """Commands that can run on their own, given a run: examples of help texts, and those of the reference."""
    source = "".join(path.read_text() for path in (ROOT / "pipeline").glob("cli*.py"))
    examples = re.findall(r"^\s*Example: (winnow .*)$", source, re.MULTILINE)
    return sorted({*examples, *commands(code("docs/reference/cli.md"))})


def verbs(*group):
    """The verbs in the help of winnow, or of a group of verbs."""
    return re.findall(r"^  (\w+)  ", winnow(*group, "--help").split("Commands:")[1], re.MULTILINE)


def example(*verb):
    """The example in the help of a verb; of a group, that of its first verb."""
    told = winnow(*verb, "--help")
    return example(*verb, verbs(*verb)[0]) if "Commands:" in told else re.search(r"Example: (winnow (\w+).*)", told)


def test_every_verb_has_an_example_and_a_place_in_the_reference():
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert len(verbs()) >= 8
    for verb in verbs():
        found = example(verb)
        assert found, f"{verb} --help has no example"
        assert found[2] == verb
        assert f"\n## {verb}\n" in reference
        assert [one for one in commands(code("docs/reference/cli.md")) if one.split()[1] == verb]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the documents imagine it: recipes/, inputs, a run in runs/tiny, and `winnow` on the path."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    inputs = corpus(folder / "data" / "web", 200)
    for place in ("crawl", "books", "src"):
        (folder / place).mkdir()
    (folder / "crawl" / "a.jsonl.zst").write_bytes(pa.compress((inputs / "a.jsonl").read_bytes(), "zstd", asbytes=True))
    book = pq.read_table(inputs / "c.parquet").rename_columns({"text": "content", "domain": "genre"})
    pq.write_table(book, folder / "books" / "a.parquet")
    shutil.copy(__file__, folder / "src" / "a.py")
    told = [path.read_text().split("\n\n") for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    bodies = ["".join(f"<p>{html.escape(part)}</p>" for part in parts).encode() for parts in told]
    records = b"".join(gzip.compress(page(n, body)) for n, body in enumerate(bodies))
    (folder / "data" / "web" / "crawl.warc.gz").write_bytes(records)
    sizes = [(10**n, 2 * 10**m) for n in (7, 8, 9) for m in (9, 10, 11)]
    table = [f"{n},{d},{1.8 + 480 / n**0.35 + 2100 / d**0.37}\n" for n, d in sizes]
    (folder / "runs.csv").write_text("params,tokens,loss\n" + "".join(table))
    (folder / "bin").mkdir()
    shim = folder / "bin" / "winnow"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline "$@"\n')
    shim.chmod(0o755)
    typed(folder, "winnow run recipes/tiny.yaml --at runs/tiny --workers 1")
    clean = yaml.safe_load((folder / "recipes" / "tiny.yaml").read_text())
    ranked = [
        {"buckets": {"columns": ["mean_word_length"]}},
        {"quota": {"column": "mean_word_length", "keep_share": 0.9}},
    ]
    kept = ["gopher_quality", {"decontaminate": {"against": f"{ROOT}/tests/laws/evals.jsonl"}}, *ranked]
    clean |= {"stages": kept, "tokens": {"vocab": 400}}
    (folder / "clean.yaml").write_text(yaml.safe_dump(clean))
    typed(folder, "winnow run clean.yaml --at runs/clean --workers 1")
    typed(folder, "winnow tokenizer train runs/tiny tokenizer.json --vocab 400")
    typed(folder, "winnow mix proportional runs/tiny --out mixture.json")
    for month in ("may", "june"):
        typed(folder, f"winnow index make runs/tiny index/{month}")
    typed(folder, "winnow split runs/clean by-level --by level")
    for method in ("proportional", "uniform"):
        typed(folder, f"winnow mix {method} by-level --out {method}.json")
    classes = "--class good=data/web/a.jsonl --class rest=data/web/c.parquet"
    typed(folder, f"winnow classify train quality.bin {classes} --dim 8 --buckets 2000")
    graded_pages(folder)
    typed(folder, "winnow train runs/tiny --at runs/model --set model=1 --set budget=20K")
    return folder


def graded_pages(folder):
    """An encoder, pages with scores from 0 to 5, a head trained on them, and texts that a server may label."""
    static(folder / "models" / "e5", dim=8)
    shutil.copytree(ROOT / "tests" / "laws" / "encoder", folder / "encoder")
    found = [(f"p{n}", text, score) for n, (text, score) in enumerate(graded(240))]
    for name, lines in {
        "pages": [{"id": page_id, "text": text} for page_id, text, _ in found],
        "edu": [{"id": page_id, "score": score} for page_id, _, score in found],
        "a": [{"text": f"score {n}"} for n in range(6)],
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "edu.txt").write_text("The extract: {text}\nEnd with: Educational score: <points>")
    head = "edu.safetensors --encoder models/e5 --source pages.jsonl --labels edu.jsonl"
    typed(folder, f"winnow classify train-head {head} --held-out 0.4")


def shell(folder, command):
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        env=environment() | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def typed(folder, command):
    """As `shell`; in a fork of a warm process where a shell would do no more than split the line: 0.3 s, not 2.3."""
    told = re.sub(r"\s#.*", "", command)
    if "ray" in told or set(told) & set("|&;<>()$`*?[]{}~#"):
        return shell(folder, command)
    _, *words = shlex.split(told)
    returned, out, err = ended(*words, at=folder)
    assert returned == 0, f"{command}\n{out}\n{err}"


SMALL = {
    "label edu.jsonl": "label new.jsonl",
    "train-head edu.safetensors": "train-head new.safetensors --held-out 0.4",
    "--budget 10B": "--budget 10k",
    "--budgets 1.5e11,3e11,6e11": "--budgets 1e9,2e9 --sizes 3 --rates 0.008 --context 32 --workers 1",
    "--params 1B": "--params 1B --most-epochs 10000000",
    "web=0.6,code=0.4": "web=1",
    "Github=code": "Github=web",
    "--dim 8": "--dim 8 --buckets 2000 --overwrite",
}
"""The run in runs/tiny has 12,000 tokens of one domain."""


def made_small(command):
    for said, small in SMALL.items():
        command = command.replace(said, small)
    return command


TRAINED = ("winnow sweep", "winnow mix swarm", "winnow mix judge", "winnow mix doremi", "winnow model transfer")
SLOW = ("winnow demo", *TRAINED)  # 40 MB to read; many trainings
COMMANDS = [pytest.param(one, marks=pytest.mark.slow if one.startswith(SLOW) else ()) for one in documented()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_documented_command_runs(workplace, tmp_path, command):
    shutil.copytree(workplace, tmp_path / "work")
    if "--out mixture.json" in command:
        (tmp_path / "work" / "mixture.json").unlink()
    if command.startswith("winnow split"):
        shutil.rmtree(tmp_path / "work" / "by-level")
    with serving() as server:
        typed(tmp_path / "work", made_small(command).replace("http://gpu:8000/v1", server.url))


def test_the_readme_runs_from_its_recipe_to_its_export(workplace, tmp_path):
    """The recipe in it becomes the file that its commands name; they run in order, as a reader would run them."""
    folder, blocks = tmp_path / "work", code("README.md")
    shutil.copytree(workplace, folder)
    (folder / "mixture.json").unlink()
    elsewhere = ("winnow demo", "winnow run recipes/mixture.yaml")  # slow: above, and in test_experiment.py
    shown = [command for command in commands(blocks) if not command.startswith(elsewhere)]
    recipes = [block.split("\n\n")[0] for block in blocks if block.startswith("name:")]
    assert bool(shown) == bool(recipes) == (ROOT / "README.md").exists()
    for recipe_text in recipes:
        (name,) = {found for command in shown for found in re.findall(r"(?<!\S)[\w-]+\.yaml", command)}
        (folder / name).write_text(recipe_text)
    for command in shown:
        typed(folder, made_small(command))
