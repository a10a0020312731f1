"""A worker: trains the folders that it reads from stdin, one a line, and answers each with a line.

    echo runs/sweep/jobs/1e+11-24-0a1b2c | python -m trainer.jobs.job

The answer is empty, or what makes the run impossible; whatever else is printed goes to stderr. Where who asked is
killed, the run at hand is saved and ends. Ctrl-C is for who asked to hear, who then says SIGTERM: that saves as well.

A folder has `settings.json` and gets `result.json`, whatever became of the run; one that was killed has none, and
goes on from its checkpoint when it is named again. Importing torch takes longer than a small run, hence many to a
process; one thread each, since two runs of two threads on two cores took 13 times as long as one (443 s and 33 s).
"""

import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from corpus.errors import WinnowError
from trainer.run.loop import train
from trainer.run.outcome import BUDGET, Outcome
from trainer.run.settings import TrainSettings
from trainer.run.stopping import TERMINATED
from trainer.stability.clipping import Diverged

SETTINGS, RESULT = "settings.json", "result.json"


def main() -> None:
    """Until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that greets on stdout would be taken for an answer
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_heard, args=(lines, os.getppid()), daemon=True).start()
    while line := lines.get():
        try:
            made(Path(line.rstrip("\n")))
            print(file=answers, flush=True)
        except WinnowError as error:
            print(str(error).replace("\n", " "), file=answers, flush=True)


def _heard(lines: "SimpleQueue[str]", parent: int) -> None:
    """What is asked, then nothing. SIGTERM where the parent is gone: else its next try would find the folder in use."""
    for line in sys.stdin:
        lines.put(line)
    lines.put("")
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


def made(folder: Path) -> None:
    """Train what the folder asks for, and write what came of it, whole or not at all. Raises what `train` does."""
    settings = TrainSettings.model_validate_json((folder / SETTINGS).read_bytes())
    begun = time.perf_counter()
    try:
        outcome = train(settings, str(folder))
    except Diverged as error:  # the others go on
        said: dict[str, Any] = {"why": str(error)}
    else:
        if outcome.stopped != BUDGET:
            raise SystemExit(TERMINATED)
        said = _found(outcome)
    part = folder / f"{RESULT}.part"
    part.write_text(json.dumps(said | {"seconds": round(time.perf_counter() - begun, 3)}) + "\n")
    os.replace(part, folder / RESULT)


def _found(outcome: Outcome) -> dict[str, Any]:
    nats = sum(one.nats for one in outcome.held_out.values())
    tokens = sum(one.tokens for one in outcome.held_out.values())
    loss = nats / tokens if tokens else math.nan
    said = {"steps": outcome.steps, "tokens": outcome.tokens, "weights": outcome.weights, "trained": outcome.domains}
    if not math.isfinite(loss):
        return said | {"why": f"the held-out loss is {loss}"}
    return said | {"loss": loss, "domains": {name: one.to_dict() for name, one in outcome.held_out.items()}}


if __name__ == "__main__":
    main()
