"""Rules for source files: each limit, and real files: Python's own library stays, packed and generated files go."""

import base64
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from limits import drop_of, limits, moves_its_own_limit
from slow_readings import batch_of

from stages.code import Code

LINE = "value = compute(first, second)  # explained"
FILE = f"""<?xml version='1.0'?>
// This file is generated
{LINE}
1, 2, 3
x = '{"QUJD" * 20}'
"""


@pytest.mark.parametrize("setting", limits(Code))
@pytest.mark.parametrize("text", [FILE, "", LINE], ids=["file", "nothing", "line"])
def test_each_limit_just_inside_and_just_outside(setting, text):
    named, moved = moves_its_own_limit(Code, setting, text)
    assert named
    assert moved


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        ("abc;\n" * 100_000, "abc;\n" * 100_001, "code_lines"),
        (f"{'ab, ' * 25}\n" * 9, f"{'ab, ' * 25}a\n" * 9, "mean_line_length"),
        ("ab, " * 250 + f"\n{LINE}" * 20, "ab, " * 250 + f"a\n{LINE}" * 20, "longest_line"),
        (f"{LINE}\n" * 5 + "// AUTO-generated", f"{LINE}\n" * 4 + "// AUTO-generated", "generated_marks"),
        ("abc" + "." * 9, "abc" + "." * 10, "alphabetic_char_share"),
        ("a, " * 29 + "\n<?xml version='1.0'?>", "a, " * 28 + "\n<?xml version='1.0'?>", "xml_header"),
        ("12 34 abcd\n" * 9 + "ab = cd\n" * 9, "12 34 abcd\n" * 10 + "ab = cd\n" * 9, "data_line_share"),
        ("// why is it\n" * 8 + "x = first(2)\n" * 3, "// why is it\n" * 8 + "x = 2a\n" * 3, "comment_char_share"),
    ],
)  # fmt: skip
def test_texts_on_either_side_of_a_published_limit(kept, dropped, reason):
    assert (drop_of(kept, Code()), drop_of(dropped, Code())) == (None, reason)


@pytest.mark.parametrize(
    "blob",
    [
        base64.encodebytes(bytes(range(256)) * 5).decode(),
        ",".join(f"0x{n % 256:02x}" for n in range(300)),
        " ".join(f"{n % 256:02x}" for n in range(400)),
        "".join(f"\\u{n:04x}" for n in range(0x400, 0x500)),
    ],
    ids=["base64", "0x", "hexadecimal", "escapes"],
)
def test_bytes_written_as_text_are_found(blob):
    stage = Code(max_longest_line=100_000, max_mean_line_length=1_000)
    assert drop_of(f"{LINE}\n" * 200 + blob, stage) == "longest_encoded_run"
    assert drop_of(f"{LINE}\n" * 200 + blob[:500], stage) is None


def test_preprocessor_lines_are_no_comments():
    assert drop_of("#include <a.h>\n#define ABC abc\n" * 9, Code()) is None
    assert drop_of("# include a\n## define b\n" * 9, Code()) == "comment_char_share"


def test_pythons_own_library_stays():
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:150]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    stage = Code()
    reasons = Counter(stage.checked(stage.annotate(batch_of(texts)), len(texts))["drop"].to_pylist())
    assert reasons[None] >= 0.97 * len(files)
