"""Every error Winnow raises on purpose, as a tree that can be caught by kind.

`exit_code` is what the command line returns: 2 when what was asked cannot be done as asked (a recipe,
an argument, a path), 1 when the asking was right and the work failed (a broken shard, a dead worker).
"""


class WinnowError(Exception):
    """The root: catch this to catch all of ours and nothing else."""

    exit_code = 1


class RecipeError(WinnowError):
    """The recipe or the command line asks for what does not exist or does not fit together."""

    exit_code = 2


class SourceError(WinnowError):
    """An input cannot be used at all: nothing matches, unreadable, no such field in any record."""


class TooMuchBad(SourceError):
    """More records were quarantined than the run may lose (`--max-bad`)."""


class ShardError(WinnowError):
    """A file that Winnow wrote is damaged, missing, or does not fit beside its neighbours."""


class StageError(WinnowError):
    """A stage broke its contract: wrong rows, wrong columns, or an exception on a named shard."""


class TokenizerError(WinnowError):
    """A tokenizer cannot be loaded, trained, or does not match what a manifest says."""


class EngineError(WinnowError):
    """Workers died more often than retries allow, or a cluster cannot be reached."""


class ReportError(WinnowError):
    """The figures do not add up, so none are shown."""


class RunInUse(WinnowError):
    """Another process is writing to this run directory."""
