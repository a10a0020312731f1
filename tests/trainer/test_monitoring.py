"""What a run tells: sinks that cannot hurt it, a line on the terminal, and a page whose figures are the file's."""

import io
import json
import math
import threading
import time

import pytest
from rich.console import Console as Terminal

from corpus.errors import SourceError
from trainer.monitoring import sinks
from trainer.monitoring.console import Console, measure, said
from trainer.monitoring.lines import told
from trainer.monitoring.sinks import Guarded, TensorBoard, WeightsAndBiases, flat

LINE = {"time": 1.5, "step": 10, "loss": 2.5, "domains": {"web": 2.0, "code": 3.0}, "norm": None, "mfu": math.nan}


class Kept:
    """A sink that keeps what it is told, and fails or blocks as asked."""

    def __init__(self, fails: bool = False, block: threading.Event | None = None) -> None:
        self.fails, self.block, self.lines, self.finished = fails, block, [], False

    def log(self, figures, step):
        if self.block:
            self.block.wait(20)
        if self.fails:
            raise ConnectionError("no route to the server")
        self.lines.append((step, figures))

    def finish(self):
        self.finished = True


def test_figures_are_flat_and_what_is_none_is_left_to_the_file():
    assert dict(flat(LINE)) == {"loss": 2.5, "domains/web": 2.0, "domains/code": 3.0}


def test_a_sink_gets_every_measure_in_order_and_no_event():
    kept, reasons = Kept(), []
    guarded = Guarded("kept", lambda: kept, lambda *told: reasons.append(told))
    for step in range(50):
        guarded.tell(LINE | {"step": step})
        guarded.tell({"event": "saved", "step": step, "bytes": 7})
    guarded.close()
    assert [step for step, _ in kept.lines] == list(range(50))
    assert kept.finished
    assert reasons == []


@pytest.mark.parametrize("make", [lambda: Kept(fails=True), lambda: exec("import nothing_of_this_name")])
def test_a_sink_that_raises_is_told_once_and_never_again(make):
    reasons = []
    guarded = Guarded("broken", make, lambda *told: reasons.append(told))
    for step in range(20):
        guarded.tell(LINE | {"step": step})
        time.sleep(0.001)
    guarded.close()
    assert len(reasons) == 1
    assert reasons[0][0] == "broken"
    assert "Error" in reasons[0][1]


def test_a_sink_that_blocks_costs_nothing_and_what_it_missed_is_counted(monkeypatch):
    monkeypatch.setattr(sinks, "QUEUE", 8)
    monkeypatch.setattr(sinks, "PATIENCE", 0.1)
    block, reasons = threading.Event(), []
    guarded = Guarded("slow", lambda: Kept(block=block), lambda *told: reasons.append(told))
    began = time.perf_counter()
    for step in range(5000):
        guarded.tell(LINE | {"step": step})
    assert time.perf_counter() - began < 2
    assert guarded.left_out >= 5000 - 8 - 1
    guarded.close()
    block.set()
    assert "did not end" in reasons[0][1]


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    guarded = Guarded("tensorboard", lambda: TensorBoard(tmp_path), lambda *told: pytest.fail(str(told)))
    for step in (10, 20):
        guarded.tell(LINE | {"step": step, "loss": step / 8})
    guarded._waiting.put(None)
    guarded._thread.join(60)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(10, 1.25), (20, 2.5)]
    assert read.Scalars("domains/code")[0].value == 3.0


@pytest.mark.slow
def test_wandb_offline_keeps_a_run(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    sink = WeightsAndBiases("winnow-test", "run", {"rate": 1.0}, tmp_path)
    sink.log({"loss": 2.5}, 10)
    sink.finish()
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_the_terminal_says_what_matters_and_takes_no_markup():
    line = {"step": 1200, "loss": 2.34561, "norm": 0.81, "tokens_per_second": 1234.5, "mfu": 0.4123, "tokens": 50}
    assert measure(line | {"seconds_left": 754.2, "loader_wait": 0.02}) == (
        "step 1,200  loss 2.346  norm 0.81  1,234 tokens/s  MFU 41.2 %  waits 2 % for data  0:12:34 left"
    )
    assert measure(LINE) == "step 10  loss 2.5"
    assert said({"event": "stopped", "step": 1200, "tokens": 1000, "time": 3.0}) == "step 1,200  stopped: tokens 1,000"
    out = io.StringIO()
    console = Console(100, Terminal(file=out, width=100, force_terminal=False))
    console.tell(line)
    console.tell({"event": "not saved", "step": 3, "why": "[red]no room[/red]"})
    console.close()
    assert "[red]no room[/red]" in out.getvalue()
    assert "loss 2.346" in out.getvalue()


def written(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def lines():
    for step in range(10, 60, 10):
        yield {"step": step, "loss": 5 - step / 100, "mean_loss": 5.0, "norm": 1.0, "tokens": step * 64}
    known = {"documents": 3, "tokens": 90, "loss": 4.5, "perplexity": 90.0, "bits_per_byte": 2.25}
    yield {"step": 50, "held_out": {"<web>": known, "code": known | {"bits_per_byte": None}}}  # no tokenizer there
    skip = {"step": 20, "first": 80, "end": 88}
    yield {"event": "spike", "step": 50, "rewound": True, "loss": 9.0, "skip": skip}
    yield {"step": 30, "loss": 4.0, "mean_loss": 4.25, "norm": 1.5, "tokens": 1920, "domains": {"<web>": 4.0}}


def test_what_a_rewind_made_void_is_left_out(tmp_path):
    path = written(tmp_path / "metrics.jsonl", lines())
    path.write_text(path.read_text() + '{"step": 40, "lo')
    read = told(path)
    assert list(read.measures) == [10, 20, 30]
    assert read.series("loss") == ([10, 20, 30], [4.9, 4.8, 4.0])
    assert read.series("domains", "<web>") == ([30], [4.0])
    assert read.held_out == {}
    assert [event["event"] for event in read.events] == ["spike"]
    with pytest.raises(SourceError, match="no metrics there"):
        told(tmp_path / "none.jsonl")


def test_the_page_holds_the_figures_and_no_text_as_markup(tmp_path):
    pytest.importorskip("plotly")
    from trainer.monitoring.page import run_page

    read = told(written(tmp_path / "metrics.jsonl", [*lines(), *list(lines())[5:6]]))
    page = run_page("run <1>", read, {"digest": "<b>", "model": {"layers": 2}})
    assert "30 steps, 1,920 tokens, loss 4.0000 nats a token." in page
    assert "<td>&lt;web&gt;</td><td>3</td><td>90</td><td>4.5000</td><td>90.0000</td><td>2.2500</td>" in page
    assert "<td>code</td><td>3</td><td>90</td><td>4.5000</td><td>90.0000</td><td></td>" in page
    assert "<td>model.layers</td><td>2</td>" in page
    assert "<web>" not in page.replace("\\u003cweb\\u003e", "")
    assert "<td><b></td>" not in page
    assert "http" not in page.split("<body>")[1].split("plotly")[0]
    assert len(page) < 5_500_000
    assert "Nothing was measured yet." in run_page("empty", told(written(tmp_path / "e.jsonl", [])), {})
