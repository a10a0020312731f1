"""Secrets come from the environment: a URL that carries one is refused, and no message repeats it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import stores
from corpus.credentials import masked
from corpus.errors import RecipeError
from corpus.storage import exists, filesystem
from tests.e2e.runs import winnow

SECRET = "S3cr3tValue"
CARRIERS = [
    f"https://user:{SECRET}@host/a.jsonl",
    f"https://{SECRET}@host/a.jsonl",
    f"s3://key:{SECRET}@bucket/a.jsonl",
    f"az://container/a.jsonl?sv=2024&sig={SECRET}",
    f"https://bucket.s3.amazonaws.com/a.jsonl?X-Amz-Credential=a&X-Amz-Signature={SECRET}",
    f"https://host/a.jsonl?token={SECRET}",
    f"https://host/a.jsonl?download=1&access_token={SECRET}#top",
    f"gs://bucket/a.jsonl?X-Goog-Signature={SECRET}",
    f"https://host/a.jsonl?AWSAccessKeyId=a&Signature={SECRET}&Expires=1",
]


@pytest.mark.parametrize("url", CARRIERS)
def test_a_url_with_a_secret_is_refused_without_repeating_it(url):
    with pytest.raises(RecipeError) as error:
        exists(url)
    assert SECRET not in str(error.value)
    assert "environment" in str(error.value)


@pytest.mark.parametrize("url", ["memory://a@b/c", "memory://a/b?design=x&page=2", "memory://a/b@c/d?signal=1"])
def test_what_is_no_secret_is_let_through(url):
    if "@" in url.split("/")[2]:
        with pytest.raises(RecipeError):
            filesystem(url)
    else:
        assert not exists(url)


words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


@given(before=st.text(), name=st.sampled_from(["sig", "X-Amz-Signature", "api_key", "TOKEN"]), value=words, more=words)
def test_no_secret_survives_the_mask_and_the_rest_does(before, name, value, more):
    value = f"{SECRET}{value}"
    said = masked(f"{before} 'https://u:{value}@host/{more}?a=1&{name}={value}&b={more}' {more}")
    assert SECRET not in said
    assert said.endswith(f"host/{more}?a=1&{name}=***&b={more}' {more}")


def test_a_recipe_with_a_secret_stops_before_anything_is_written(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"name: secret\nsources:\n  - path: 'https://host/a.jsonl?sig={SECRET}'\n")
    error = winnow("run", path, "--at", tmp_path / "run", code=2)
    assert SECRET not in error
    assert "sig=***" in error
    assert not any(SECRET in one.read_text() for one in (tmp_path / "run").rglob("*") if one.is_file())


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("gcs", "gcsfs"), ("az", "adlfs"), ("abfs", "adlfs")])
def test_a_missing_package_is_told_with_the_extra_that_brings_it(scheme, package):
    try:
        __import__(package)
    except ImportError:
        extra = stores.SCHEMES.get(scheme, scheme)
        with pytest.raises(RecipeError, match=rf"{package}.*pip install 'winnow\[{extra}\]'"):
            exists(f"{scheme}://bucket/a")
    else:
        pytest.skip(f"{package} is installed")


def test_a_store_there_is_not_is_told_with_those_there_are():
    with pytest.raises(RecipeError, match=r"no store 'sftp'.*s3://"):
        exists("sftp://host/a")
