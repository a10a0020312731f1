"""What a verb prints: one line of JSON, or tables for people, as wide as their terminal."""

import sys
from collections.abc import Callable
from typing import Any

from pipeline.outcome import dumped, say


def printed(facts: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print `facts` as one line of JSON, or what `show` prints to a rich console, 100 columns off a terminal."""
    if as_json:
        say(dumped(facts))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False, emoji=False)
    with console.capture() as shown:
        show(console)
    say("".join(line.rstrip() + "\n" for line in shown.get().splitlines()))
