"""Fixtures: a bucket on a real S3 server, and waits that do not wait."""

import itertools

import pytest

from corpus import retries, stores

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server():
    """moto's S3 server behind a front, for all tests."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'winnow[s3]'")
    pytest.importorskip("moto.server", reason="moto[server] is not installed: pip install 'winnow[dev]'")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from tests.storage.servers import served

    with served(DomainDispatcherApplication(create_backend_app)) as front:
        yield front


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The server, calm, and named to this process and its children by the environment alone."""
    named = {
        "AWS_ENDPOINT_URL_S3": s3_server.url,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hush-hush",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    s3_server.calm()
    yield s3_server
    s3_server.calm()


@pytest.fixture
def bucket(s3):
    """The URL of a new, empty bucket."""
    name = f"bucket-{next(_numbers)}"
    stores.store("s3://").fs.call_s3("create_bucket", Bucket=name)
    s3.calm()
    return f"s3://{name}"


@pytest.fixture
def hasty(monkeypatch):
    """Waits of a hundredth of a second: the schedule's length is what is tested, not the clock."""
    monkeypatch.setattr(retries, "WAITS", (0.01,) * len(retries.WAITS))


@pytest.fixture
def impatient(hasty, monkeypatch):
    """A request may take 0.3 s."""
    monkeypatch.setattr(retries, "DEADLINE", 0.3)
