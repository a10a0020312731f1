"""From a record with named strings to a document's row, by the names that a source gives."""

from collections.abc import Callable, Mapping

from corpus.errors import RecipeError
from corpus.readers.base import NUL, Fault, nearest
from corpus.source import Source

Row = tuple[str | bytes | None, ...]


def row(record: Mapping[str, str | None], place: str, source: Source) -> Row:
    """id, text, domain, then the fields; `place` is the id where the record has none. Raises Fault."""
    text = record.get(source.text_field)
    if text is None:
        raise Fault(f"field {source.text_field!r} is null")
    if "\0" in text:
        raise Fault(NUL)
    key = record.get(source.id_field or "id")
    if source.id_field is not None and not key:
        raise Fault(f"field {source.id_field!r} is no id but {_nothing(key)}")
    return (key or place, text, _domain(record, source), *[record.get(name) for name in source.fields])


def _domain(record: Mapping[str, str | None], source: Source) -> str:
    if source.domain_field is None:
        return source.domain or "default"
    domain = record.get(source.domain_field)
    if not domain:
        raise Fault(f"field {source.domain_field!r} is no domain but {_nothing(domain)}")
    return domain


def _nothing(value: str | None) -> str:
    return "null" if value is None else "an empty string"


def asked(source: Source) -> dict[str, str]:
    """Name -> what the source wants it for: field, id, domain or text."""
    names = dict.fromkeys(source.fields, "field")
    names |= {source.id_field: "id"} if source.id_field is not None else {}
    names |= {source.domain_field: "domain"} if source.domain_field is not None else {}
    return names | {source.html_field or source.text_field: "text"}


def only(form: str, names: tuple[str, ...], then: Callable[[], None] = lambda: None) -> Callable[[Source], None]:
    """What refuses a source that asks for other names than a format's records have; `then` refuses more."""

    def refuse(source: Source) -> None:
        if source.html_field is not None:
            raise RecipeError(f"source {source.path!r}: html_field is {source.html_field!r}, but {form} holds no pages")
        for name, use in asked(source).items():
            if name not in names:
                raise RecipeError(
                    f"source {source.path!r}: {form} has no field {name!r} for the {use}; {nearest(name, names)}. "
                    f"It has {', '.join(names)}."
                )
        then()

    return refuse
