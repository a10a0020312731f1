"""Where a command may write, said before it works: nothing is mixed with files of others, or lost by surprise."""

import os
from pathlib import Path

from corpus.errors import RecipeError
from corpus.storage import filesystem, is_local
from pipeline.home import RECIPE, Home


def run_home(at: str) -> Home:
    """The home of a run, its folder made. RecipeError where it cannot be written, or holds somebody's recipe.yaml."""
    path = folder(at, "--at")
    if path and (path / RECIPE).exists() and not (path / "lock").exists():
        raise RecipeError(f"--at {at}: its {RECIPE} is not a run's and would be overwritten. Give a folder of its own.")
    return Home(at)


def folder(url: str, asked: str) -> Path | None:
    """Make a local folder and return its path; None for an object store, which has none to make.

    asked: the option or argument that named it. RecipeError where it cannot be made or written to.
    """
    try:
        path = Path(filesystem(url)[1]) if is_local(url) else None
        if path:
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RecipeError(f"{asked} {url}: there is a file of that name. Give a folder.") from error
    except (OSError, ValueError, ImportError) as error:  # an unknown protocol, s3fs not installed
        raise RecipeError(f"{asked} {url}: cannot be made ({error})") from error
    if path and not os.access(path, os.W_OK | os.X_OK):
        raise RecipeError(f"{asked} {url}: this user may not write there. Give another folder.")
    return path
