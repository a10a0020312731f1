"""Where a command may write, said before it works: nothing is mixed with files of others, or lost by surprise."""

import os
from pathlib import Path

from corpus.errors import RecipeError
from corpus.storage import exists, filesystem, is_local, refuse_read_only
from pipeline.home import RECIPE, Home


def run_home(at: str) -> Home:
    """The home of a run, its folder made. RecipeError where it cannot be written, or holds somebody's recipe.yaml."""
    refuse_read_only(at)
    path = local(at, "--at")
    if path:
        make(path, "--at")
    if path and (path / RECIPE).exists() and not (path / "lock").exists():
        raise RecipeError(f"--at {at}: its {RECIPE} is not a run's and would be overwritten. Give a folder of its own.")
    return Home(at)


def local(url: str, asked: str) -> Path | None:
    """The path of a URL on this machine, None on an object store; RecipeError where nothing knows its protocol.

    asked: the option or argument that the error names.
    """
    try:
        return Path(filesystem(url)[1]) if is_local(url) else None
    except (ValueError, ImportError) as error:  # no such protocol; s3fs not installed
        raise RecipeError(f"{asked} {url}: {error}") from error


def make(folder: Path, asked: str) -> None:
    """Make a folder with those above it; RecipeError where that cannot be, or it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RecipeError(f"{asked} {folder}: a file is in the way. Give the path of a folder.") from error
    except OSError as error:
        raise RecipeError(f"{asked} {folder}: cannot be made ({error.strerror}). Give another folder.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecipeError(f"{asked} {folder}: this user may not write there. Give another folder.")


def page_place(out: str, overwrite: bool) -> str:
    """The URL of an HTML page to write. RecipeError where it is none, cannot be written, or exists and may not go."""
    if not out.endswith(".html"):
        raise RecipeError(f"{out}: a page ends in .html")
    path = local(out, out)
    if path is not None:
        make(path.parent, "the folder of the page,")
        if path.is_dir():
            raise RecipeError(f"{out}: is a folder. Give the name of a file.")
    if not overwrite and exists(out):
        raise RecipeError(f"{out}: exists. Give another name, or --overwrite.")
    return out
