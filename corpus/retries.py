"""Asking a store again: after throttling and failures that pass, at fixed times, and not for ever.

Each request is asked once and at most six times more, with 31.5 s of waiting in all. For s3 and http the libraries'
own retries are off, so the count is this one; those of gs, az and hf come first. What no waiting mends (not there,
not allowed) is said at once.
"""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from corpus.credentials import masked
from corpus.errors import SourceError, WinnowError

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further attempt. No jitter: the same failures give the same run."""

DEADLINE = 30.0
"""Seconds that one request may take. A server that sends a byte a second never trips a timeout between two bytes,
so the whole answer has one; with 8 MB asked at a time (remote.py) a link of 280 kB/s keeps it at once."""

_PASSING = {408, 425, 429, 500, 502, 503, 504, 509}
_THROTTLED = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "InternalError",
}
_NETWORK = {
    # Python and fsspec
    "TimeoutError",
    "ConnectionError",
    "IncompleteRead",
    # botocore, aiohttp, httpx, requests, azure: by name, since none of these packages need be installed
    "HTTPClientError",
    "ResponseParserError",
    "ClientConnectionError",
    "ClientPayloadError",
    "ServerTimeoutError",
    "TransportError",
    "Timeout",
    "ChunkedEncodingError",
    "ServiceRequestError",
    "ServiceResponseError",
}
_ADVICE = {
    401: "Credentials come from the environment alone (docs/reference/sources.md, 'Object stores'): are they set?",
    403: "Do the credentials of the environment allow it (docs/reference/sources.md, 'Object stores')?",
    412: "It changed while it was read. Let nothing write to a source while it is read; plan again.",
    416: "It got shorter while it was read. Let nothing write to a source while it is read; plan again.",
}


class StoreError(SourceError):
    """A store refused, or gave no answer however often it was asked. Not an OSError: nothing is damaged."""


def retried(ask: Callable[[], T], who: str) -> T:
    """What `ask` gives, asked again while it fails for a reason that passes.

    who: the URL, for errors. Raises FileNotFoundError where there is none, StoreError for all else that fails.
    """
    begun = time.monotonic()
    for wait in (*WAITS, None):
        try:
            return ask()
        except (FileNotFoundError, WinnowError):
            raise
        except Exception as error:  # whatever a store's library raises
            if not passing(error):
                raise StoreError(f"{who}: the store refuses ({said(error)}). {_advice(error)}".rstrip()) from error
            if wait is None:
                raise StoreError(
                    f"{who}: no answer in {time.monotonic() - begun:,.0f} s, asked {len(WAITS) + 1} times; the last "
                    f"time: {said(error)}. Run again when the store answers; what is done is not done again."
                ) from error
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def passing(error: BaseException) -> bool:
    """True for throttling, a failing server, a timeout and a lost connection; False for what stays as it is."""
    for one in _chain(error):
        if _code(one) in _THROTTLED or _names(one) & _NETWORK:
            return True  # before any status: aiohttp says 400 of an answer cut short, S3 says 200 of some errors
        if (found := _status(one)) is not None:
            return found in _PASSING
    return False


def status(error: BaseException) -> int | None:
    """The HTTP status that an error stands for, wherever its library keeps it."""
    found = (_status(one) for one in _chain(error))
    return next((one for one in found if one is not None), 403 if isinstance(error, PermissionError) else None)


def _status(error: BaseException) -> int | None:
    answer = getattr(error, "response", None)
    held = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
    spots = (held, getattr(answer, "status_code", None), *(vars(error).get(name) for name in _SPOTS))
    return next((int(str(spot)) for spot in spots if str(spot).isdecimal()), None)


_SPOTS = ("status", "status_code", "code")  # aiohttp; azure; gcsfs


def said(error: BaseException) -> str:
    """An error in its library's words: a line of at most 300 characters, secrets masked."""
    words = " ".join(str(error).split())
    return masked(words or ("too slow" if "TimeoutError" in _names(error) else type(error).__name__))[:300]


def _advice(error: BaseException) -> str:
    if any("NoCredentials" in name for one in _chain(error) for name in _names(one)):
        return _ADVICE[401]
    return _ADVICE.get(status(error) or 0, "")


def _code(error: BaseException) -> str:
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__
