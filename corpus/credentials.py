"""Secrets stay in the environment: a URL that carries one is refused, and what libraries say is masked.

A recipe is copied into its run, and URLs stand in reports, logs and errors; so none may open a store. Stores
redirect to signed addresses of their own and quote them in errors, hence the mask.
"""

import re

from corpus.errors import RecipeError

_SECRET = (
    r"(?:[a-z0-9.]*[-_.])*(?:sig|signature|token|secret|password|passwd|pwd|credentials?|auth|authorization|"
    r"apikey|key|accesskeyid|awsaccesskeyid|accesskey|accesstoken)"
)
"""Names of query parameters that open a store: Azure's `sig`, Amazon's and Google's `X-*-Signature`, tokens, keys."""

_IN_QUERY = re.compile(rf"(?<=[?&;])({_SECRET})=[^&;#\s'\"<>)]+", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s'\"?#]+@")


def masked(text: str) -> str:
    """The text, with users, passwords and signatures of the URLs in it replaced by `***`."""
    return _IN_QUERY.sub(r"\1=***", _USER.sub("***@", text))


def refuse_secrets(url: str) -> None:
    """RecipeError for a URL with a user, a password, or a signature or key in its query."""
    if "@" in _host(url) or _IN_QUERY.search(url):
        raise RecipeError(
            f"{masked(url)}: a URL may not carry a user, a password, a signature or a key: it would stand in the "
            f"run's recipe, reports and errors. Take it out and give it by the environment: see "
            f"'Object stores' in docs/reference/sources.md."
        )


def _host(url: str) -> str:
    """What lies between `://` and the next `/`, users included; never an error, whatever the URL holds."""
    return re.split(r"[/?#]", url.split("://", 1)[-1], maxsplit=1)[0]
