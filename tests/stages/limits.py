"""Every limit of a stage, just inside and just outside: with all others lifted, on the number that a text has."""

from dataclasses import fields, replace

from slow_readings import batch_of


def drop_of(text, stage):
    return stage.checked(stage.annotate(batch_of([text])), 1).to_pylist()[0]["drop"]


def limits(kind):
    """The settings that are limits."""
    return [field.name for field in fields(kind) if field.name.startswith(("min_", "max_"))]


def lifted(kind):
    """The stage with limits that every text meets."""
    return kind(**{name: -1 if name.startswith("min_") else 10**9 for name in limits(kind)})


def moves_its_own_limit(kind, setting, text):
    """Whether the text is kept where the limit is its own number, and dropped for it where it is a little tighter."""
    loose = lifted(kind)
    (measure,) = {
        after.measure
        for before, after in zip(loose.rules, replace(loose, **{setting: 5}).rules, strict=True)
        if before != after
    }
    number = loose.annotate(batch_of([text]))[measure][0].as_py()
    tighter = number + 1e-9 if setting.startswith("min_") else number - 1e-9
    kept, dropped = (drop_of(text, replace(loose, **{setting: limit})) for limit in (number, tighter))
    return measure.endswith(setting[4:].rstrip("s")) or measure.endswith(setting[4:]), (kept, dropped) == (
        None,
        measure,
    )
