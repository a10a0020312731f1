"""Amazon's protocol (s3://), by s3fs: pages of a listing, parts of an object, uploads in parts, one request each.

An endpoint of another maker is named by the environment (AWS_ENDPOINT_URL_S3), as credentials are.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import fsspec
from fsspec.asyn import sync

from corpus import retries
from corpus.retries import retried
from corpus.stores import Info, Store

PART = 32_000_000
"""Bytes of an upload's part, and the most that is put at once. An upload has at most 10,000 parts."""

_MOST_PARTS = 10_000
_SLOWEST = 250_000  # bytes a second an upload must reach: a part of 32 MB may take 158 s
_ABANDONED = timedelta(hours=6)
"""How old an unfinished upload must be for nobody to be at it: a part a second and 10,000 of them take 3 hours."""


class S3(Store):
    """Objects in buckets. A bucket and the part of a key before a `/` are folders."""

    def __init__(self, scheme: str) -> None:
        # Neither s3fs nor botocore repeats a request: retries.py does, at times that can be told.
        wires = {"connect_timeout": 10, "read_timeout": retries.DEADLINE, "retries": {"total_max_attempts": 1}}
        fs = fsspec.filesystem("s3", use_listings_cache=False, config_kwargs=wires)
        fs.retries = 1
        super().__init__(scheme, fs)

    def info(self, path: str) -> Info:
        """An object, else the folder of that name; FileNotFoundError where neither is."""
        bucket, key = _split(path)
        if key:
            with suppress(FileNotFoundError):
                head = self._call("head_object", Bucket=bucket, Key=key)
                return Info(path, int(head["ContentLength"]), head.get("ETag", ""))
        prefix = f"{key}/" if key else ""
        below = self._call("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        if not key or below.get("KeyCount"):
            return Info(path, 0, "", folder=True)
        raise FileNotFoundError(path)

    def first(self, path: str, size: int) -> tuple[Info, bytes]:
        """By one request instead of two: a run on S3 reads thousands of small files."""
        try:
            given, body = self._part(path, 0, size)
        except FileNotFoundError:
            return self.info(path), b""  # a folder, or nothing
        except OSError as error:
            if retries.status(error) != 416:  # an empty object has no first byte
                raise
            return self.info(path), b""
        return Info(path, int(given["ContentRange"].rpartition("/")[2]), given["ETag"]), body

    def part(self, info: Info, start: int, end: int) -> bytes:
        """Bytes [start, end) of the object as `info` saw it: another in its place is an error (412)."""
        return self._part(info.path, start, end, IfMatch=info.stamp)[1]

    def _part(self, path: str, start: int, end: int, **asked: str) -> tuple[dict[str, Any], bytes]:
        bucket, key = _split(path)

        async def ask() -> tuple[dict[str, Any], bytes]:
            span = f"bytes={start}-{end - 1}"
            given = await self.fs._call_s3("get_object", Bucket=bucket, Key=key, Range=span, **asked)
            async with given["Body"] as body:
                return given, await body.read()

        answer: tuple[dict[str, Any], bytes] = sync(self.fs.loop, ask, timeout=retries.DEADLINE)
        return answer

    def below(self, folder: str) -> Iterator[Info]:
        """All objects below a folder, at once."""
        return (info for info in self._listed(folder, "") if not info.folder)

    def level(self, folder: str) -> Iterator[Info]:
        """Objects and folders directly in a folder; none where it is not there."""
        return self._listed(folder, "/")

    def _listed(self, folder: str, delimiter: str) -> Iterator[Info]:
        """1,000 keys a page, each page asked for again where it fails: a long listing does not start over."""
        bucket, key = _split(folder)
        ask: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{key}/" if key else "", "Delimiter": delimiter}
        while True:
            page = self._again(folder, "list_objects_v2", **ask)
            for held in page.get("CommonPrefixes", ()):
                yield Info(f"{bucket}/{held['Prefix'].rstrip('/')}", 0, "", folder=True)
            for held in page.get("Contents", ()):
                if not held["Key"].endswith("/"):  # what consoles make to show an empty folder
                    yield Info(f"{bucket}/{held['Key']}", int(held["Size"]), held.get("ETag", ""))
            if not page.get("IsTruncated"):
                return
            ask["ContinuationToken"] = page["NextContinuationToken"]

    def put(self, path: str, file: IO[bytes], size: int) -> None:
        """One put, or an upload in parts that is completed last and given up, not left to cost, where it fails."""
        bucket, key = _split(path)
        if size <= PART:
            self._call("put_object", Bucket=bucket, Key=key, Body=file.read(), timeout=_patience(size))
            return
        begun: dict[str, Any] = {"Bucket": bucket, "Key": key}
        begun["UploadId"] = self._call("create_multipart_upload", **begun)["UploadId"]
        try:
            self._upload(begun, file, size)
        except BaseException as error:
            self._abort(begun, error)
            raise

    def _upload(self, begun: dict[str, Any], file: IO[bytes], size: int) -> None:
        path = f"{begun['Bucket']}/{begun['Key']}"
        parts: list[dict[str, Any]] = []
        while body := file.read(max(PART, -(-size // _MOST_PARTS))):
            part = {"PartNumber": len(parts) + 1, "Body": body, "timeout": _patience(len(body))}
            answer = self._again(path, "upload_part", **begun, **part)
            parts.append({"PartNumber": part["PartNumber"], "ETag": answer["ETag"]})
        try:
            self._again(path, "complete_multipart_upload", **begun, MultipartUpload={"Parts": parts})
        except FileNotFoundError:  # completed before, where the answer was lost
            if self.info(path).size != size:
                raise

    def _abort(self, begun: dict[str, Any], error: BaseException) -> None:
        try:
            self._again(f"{begun['Bucket']}/{begun['Key']}", "abort_multipart_upload", **begun)
        except FileNotFoundError:
            pass  # gone already
        except Exception as second:
            error.add_note(f"its unfinished upload {begun['UploadId']} may still be kept, and cost: {second}")

    def remove(self, path: str) -> None:
        """Remove an object, and all in the folder of that name, 1,000 a request."""
        bucket, key = _split(path)
        keys = [_split(info.path)[1] for info in self._listed(path, "")]
        keys += [key] if key else []
        for first in range(0, len(keys), 1000):
            gone = {"Objects": [{"Key": one} for one in keys[first : first + 1000]], "Quiet": True}
            left = self._again(path, "delete_objects", Bucket=bucket, Delete=gone).get("Errors")
            if left:
                raise OSError(
                    f"{len(left):,} objects cannot be removed, {left[0]['Key']!r} first: {left[0]['Message']}"
                )

    def sweep(self, path: str) -> int:
        """Give up uploads that a killed writer began below a folder, hours ago; of the first 1,000 there are."""
        bucket, key = _split(path)
        found = self._again(path, "list_multipart_uploads", Bucket=bucket, Prefix=f"{key}/" if key else "")
        old = [up for up in found.get("Uploads", ()) if datetime.now(UTC) - up["Initiated"] > _ABANDONED]
        for up in old:
            with suppress(FileNotFoundError):
                it = {"Bucket": bucket, "Key": up["Key"], "UploadId": up["UploadId"]}
                self._again(path, "abort_multipart_upload", **it)
        return len(old)

    def _again(self, path: str, method: str, **asked: Any) -> dict[str, Any]:
        """A request of several that belong together, repeated by itself."""
        return retried(lambda: self._call(method, **asked), self.url(path))

    def _call(self, method: str, *, timeout: float | None = None, **asked: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.fs.call_s3(method, timeout=timeout or retries.DEADLINE, **asked)
        return answer


def _split(path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return bucket, key


def _patience(size: int) -> float:
    return retries.DEADLINE + size / _SLOWEST
