"""What several files of the command line ask for in the same words."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object (docs/reference/json.md) on stdout.")]
Run = Annotated[str, typer.Argument(help="Folder or URL of a finished run.")]
