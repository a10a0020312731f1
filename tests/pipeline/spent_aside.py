"""A worker that never answers, for the test of what its supervisor books."""


def spin(item: bytes, settings: str) -> bytes:
    while True:
        pass
