"""Servers on loopback for the tests of stores: moto's S3, a web server, a Hub; and a front that makes them fail."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

import pytest

serving = pytest.importorskip("werkzeug.serving", reason="moto[server] is not installed: pip install 'winnow[dev]'")
from werkzeug.utils import send_file  # noqa: E402
from werkzeug.wrappers import Request, Response  # noqa: E402

_SAID = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError"}
_SLOW = "Please reduce your request rate."


def _error(status: int) -> Response:
    """As Amazon words it."""
    body = f"<Error><Code>{_SAID.get(status, 'SlowDown')}</Code><Message>{_SAID.get(status, _SLOW)}</Message></Error>"
    return Response(body, status, content_type="application/xml")


@dataclass
class Trouble:
    """What happens to the next `times` requests that fit: a status, cut, drip, or lost (done, but denied)."""

    fits: str  # a regular expression over "METHOD /path?query Range"
    kind: int | str
    times: int = 1
    after: int = 0  # requests that fit and are let through before


@dataclass
class Front:
    """An app in front of another: it remembers what was asked, and fails as told."""

    app: Any
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calm(self) -> None:
        """No trouble, nothing remembered."""
        self.troubles, self.asked = [], []

    def count(self, fits: str) -> int:
        return sum(bool(re.search(fits, one)) for one in self.asked)

    def bytes_asked(self, fits: str = "") -> int:
        spans = [re.search(r"bytes=(\d+)-(\d+)$", one) for one in self.asked if re.search(fits, one)]
        return sum(int(span[2]) - int(span[1]) + 1 for span in spans if span)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        query = request.query_string.decode()
        said = f"{request.method} {request.path}?{query} {request.headers.get('Range', '')}"
        self.asked.append(said)
        kind = self._kind(said)
        if kind is None:
            return self.app(environ, start)
        if isinstance(kind, int):
            return _error(kind)(environ, start)
        answer = Response.from_app(self.app, environ)
        if kind == "lost":
            answer = _error(500)
        elif kind == "drip":
            answer.response = _dripping(answer.get_data())
        elif kind == "cut":
            whole = answer.get_data()
            answer.response = [whole[: len(whole) // 2]]
        return answer(environ, start)

    def _kind(self, said: str) -> int | str | None:
        for trouble in self.troubles:
            if trouble.times and re.search(trouble.fits, said):
                if trouble.after:
                    trouble.after -= 1
                    continue
                trouble.times -= 1
                return trouble.kind
        return None


def _dripping(body: bytes) -> Iterator[bytes]:
    for place in range(len(body)):
        yield body[place : place + 1]
        time.sleep(0.05)


@contextmanager
def served(app: Any) -> Iterator[Front]:
    """The app behind a front on a free port of loopback."""

    class Quiet(serving.WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    front = Front(app)
    server = serving.make_server("127.0.0.1", 0, front, threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    front.port = server.port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield front
    server.shutdown()
    thread.join()
    server.server_close()


def files(content: dict[str, bytes]) -> Any:
    """A web server of files by path, with ranges, ETags and nothing to list."""
    from io import BytesIO

    def app(environ: dict[str, Any], start: Any) -> Any:
        body = content.get(Request(environ).path)
        if body is None:
            return Response("no such file", 404)(environ, start)
        tag = sha1(body).hexdigest()
        return send_file(BytesIO(body), environ, "application/octet-stream", etag=tag, conditional=True)(environ, start)

    return app


def hub(repo: str, content: dict[str, bytes]) -> Any:
    """What of the Hugging Face Hub is asked for a dataset's files: repository, tree, files."""
    sent = files({f"/datasets/{repo}/resolve/main/{name}": body for name, body in content.items()})

    def app(environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        api = f"/api/datasets/{repo}"
        if request.path.startswith(f"{api}/tree/main"):
            folder = request.path.removeprefix(f"{api}/tree/main").strip("/")
            return _json(_tree(content, folder, "recursive=true" in request.query_string.decode().lower()))(
                environ, start
            )
        if request.path == f"{api}/paths-info/main":
            asked = request.form.getlist("paths") or request.get_json(force=True, silent=True)["paths"]
            return _json([_entry(n, b) for n, b in content.items() if n in asked])(environ, start)
        if request.path in (api, f"{api}/revision/main"):
            return _json({"id": repo, "sha": "0" * 40, "siblings": [], "private": False})(environ, start)
        return sent(environ, start)

    return app


def _tree(content: dict[str, bytes], folder: str, deep: bool) -> list[dict[str, Any]]:
    below = {n: b for n, b in content.items() if not folder or n.startswith(f"{folder}/")}
    here = [_entry(n, b) for n, b in below.items() if deep or "/" not in n[len(folder) :].strip("/")]
    start = len(f"{folder}/") if folder else 0
    folders = {n[:start] + n[start:].split("/")[0] for n in below if "/" in n[start:]}
    return here + [{"type": "directory", "oid": "0" * 40, "size": 0, "path": name} for name in sorted(folders)]


def _entry(name: str, body: bytes) -> dict[str, Any]:
    return {"type": "file", "oid": sha1(body).hexdigest(), "size": len(body), "path": name}


def _json(value: Any) -> Response:
    return Response(json.dumps(value), content_type="application/json")
