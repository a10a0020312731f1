"""The folder of a run: where things lie, what is finished, and the log.

    recipe.yaml                         the run's own copy, overrides applied
    steps.json                          what each step's fingerprint covers, for `winnow plan` to explain changes
    inputs.json                         content hashes of the inputs, by size and time stamp
    log.jsonl                           one line an event
    documents-<fp>/<unit>-<part>.parquet, <unit>.json, <unit>.bad.parquet
    <nn>-<stage>-<fp>/<unit>-<part>.parquet
    tokens-<fp>/<domain>/<unit>-<part>.bin, .idx; manifest.json
    report.json, finished.json          the last finished run: its figures, its steps and shards

A file that exists is whole, and a folder's name covers all that its content depends on; so what is there is
done, and a changed setting simply looks in another folder.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from corpus.errors import RunInUse
from corpus.storage import exists, filesystem, is_local, join, names, opened, read_bytes, write_bytes

RECIPE, STEPS, INPUTS, LOG = "recipe.yaml", "steps.json", "inputs.json", "log.jsonl"
REPORT, FINISHED = "report.json", "finished.json"


@dataclass(frozen=True)
class Home:
    """A run directory, by path or URL."""

    at: str

    def path(self, *parts: str) -> str:
        """The URL of something in this home."""
        return join(self.at, *parts)

    def json(self, name: str, default: Any = None) -> Any:
        """A JSON file of this home, or `default` where there is none."""
        url = self.path(name)
        return json.loads(read_bytes(url)) if exists(url) else default

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file whole, keys sorted, so the same value gives the same bytes."""
        write_bytes(self.path(name), json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode())

    def names(self, *folder: str) -> set[str]:
        """Names of the whole files in a folder."""
        return names(self.path(*folder))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this home alone. RunInUse where another process has it; a dead process holds nothing."""
        if not is_local(self.at):
            yield  # object stores have no locks; whole-or-absent files keep two writers from mixing bytes
            return
        write_bytes(self.path("lock"), b"") if not exists(self.path("lock")) else None
        with open(filesystem(self.path("lock"))[1], "rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunInUse(
                    f"{self.at}: another winnow run is writing here. Wait for it, or use another --at."
                ) from error
            yield

    def log(self, event: str, **facts: Any) -> None:
        """Append one line to the log. On an object store, where nothing appends, each run keeps its own."""
        if is_local(self.at):
            line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
            with open(filesystem(self.path(LOG))[1], "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def events(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """The log's events in order; a line torn by a kill is skipped."""
        if not exists(self.path(LOG)):
            return
        with opened(self.path(LOG)) as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if kind is None or event["event"] == kind:
                    yield event
