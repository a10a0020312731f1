"""Which files of a store a pattern means: as in a shell, and as Python's glob does locally.

`*`, `?` and `[...]` stand for characters of one name, `**` for any folders; none of them matches a leading dot.
Folders are listed one by one, only those that the pattern can mean; behind a `**` all that is below, at once.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from corpus.retries import retried
from corpus.stores import Info, Store

_WILD = re.compile(r"[*?\[]")


def matching(store: Store, path: str) -> list[Info]:
    """Files that a path or pattern means, by path; never folders. A name that exists is itself, even with a `?`."""
    if "*" not in path:
        found = seen(store, path)
        if found is not None or not _WILD.search(path):
            return [found] if found is not None and not found.folder else []
    names = path.split("/")
    fixed = next(place for place, name in enumerate(names) if _WILD.search(name))
    return sorted(_below(store, "/".join(names[:fixed]), names[fixed:]))


def seen(store: Store, path: str) -> Info | None:
    """What there is of that name, a file or a folder; None where nothing is."""
    try:
        return retried(lambda: store.info(path), store.url(path))
    except FileNotFoundError:
        return None


def level(store: Store, folder: str) -> list[Info]:
    """Files and folders directly in a folder; none where there is no such folder."""
    try:
        return retried(lambda: list(store.level(folder)), store.url(folder))
    except FileNotFoundError:  # no such bucket
        return []


def _below(store: Store, folder: str, parts: list[str]) -> Iterator[Info]:
    """Files below a folder whose further names are those of the pattern."""
    first, rest = parts[0], parts[1:]
    if first == "**":
        for info in _all(store, folder):
            names = info.path[len(folder) :].strip("/")
            if names and _fits(names.split("/"), parts):  # below a file some stores find the file
                yield info
    elif not _WILD.search(first):
        path = f"{folder}/{first}"
        if rest:
            yield from _below(store, path, rest)
        elif (found := seen(store, path)) and not found.folder:
            yield found
    else:
        for info in level(store, folder):
            if not _is(info.path.rsplit("/", 1)[-1], first):
                continue
            if rest and info.folder:
                yield from _below(store, info.path, rest)
            elif not rest and not info.folder:
                yield info


def _all(store: Store, folder: str) -> list[Info]:
    try:
        return retried(lambda: list(store.below(folder)), store.url(folder))
    except FileNotFoundError:
        return []


def _fits(names: list[str], parts: list[str]) -> bool:
    """The names of a path are those of the pattern, in order, `**` standing for none or more.

    By the set of places in the pattern that each name may have led to: names times parts comparisons at most.
    """
    places = _open(0, parts)
    for name in names:
        after: set[int] = set()
        for place in places:
            if place < len(parts) and _is(name, parts[place]):
                after |= _open(place + 1, parts) | (_open(place, parts) if parts[place] == "**" else set())
        places = after
    return len(parts) in places


def _open(place: int, parts: list[str]) -> set[int]:
    """A place in the pattern, and those behind each `**` there that may stand for nothing: the last one may not,
    for `a/**` is what lies in the folder `a`, and no file `a`.
    """
    end = place
    while end < len(parts) - 1 and parts[end] == "**":
        end += 1
    return set(range(place, end + 1))


def _is(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
