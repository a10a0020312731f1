"""Archives made for tests: records as bytes, and files of them in every packing."""

import gzip

import zstandard

PACKED = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor(write_checksum=True).compress}


def warc(kind, block, number=0, /, length=None, version="1.0", **named):
    """One record; keywords are header names with `_` for `-`."""
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{number:08d}>",
        "WARC-Date": "2024-05-18T01:58:10Z",
        "WARC-Target-URI": f"http://example.com/{number}",
        "Content-Length": len(block) if length is None else length,
    }
    head |= {name.replace("_", "-"): value for name, value in named.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value is not None)
    return f"WARC/{version}\r\n{lines}\r\n".encode() + block + b"\r\n\r\n"


def http(body, status="200 OK", content_type="text/html; charset=utf-8", **named):
    """An HTTP response."""
    named = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in named.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def page(number, body=None, **named):
    """A response record with an HTML page."""
    body = b"<p>page %d</p>" % number if body is None else body
    return warc("response", http(body, **named), number, Content_Type="application/http; msgtype=response")


def arc(url, block, length=None, media="text/html"):
    """One record of an ARC file."""
    return (
        f"{url} 127.0.0.1 20040506070809 {media} {len(block) if length is None else length}\n".encode() + block + b"\n"
    )


FILEDESC = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"
