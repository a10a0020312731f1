"""Measures read slowly, with Python's own strings: what the kernels must find, and texts to find it in."""

import math
import re
from collections import Counter
from itertools import pairwise
from statistics import median
from unicodedata import category

import pyarrow as pa
from hypothesis import strategies as st

from corpus.classes import KIND, KINDS, classes
from corpus.documents import Batch
from corpus.words import word_hash
from stages.languages import own
from stages.measures import BULLETS, STOP_WORDS, measured
from stages.measures.code import COMMENTS
from stages.measures.phrases import BOILERPLATE, GENERATED

LIKELY = [
    *(
        "the",
        "The",
        "OF",
        "with",
        "then",
        "12",
        "é",
        "É",
        "日",
        "は",
        "\u0301",
        "٣",
        "²",
        "Ⅷ",
        "ǅ",
        "don't",
        "the,",
        "_",
    ),
    *(" ", " ", "\n", "\n\n", "\t", "\r\n", "\r", "\x0b", "\x1c", "\x85", "\u2028", "\u00a0", "\u3000", "\x08", "\x00"),
    *("#", "##", "#a#", ".", "...", "…", "[...]", "(…)", "-»", ". . .", ". . . . . .", "[…]", "!", "?", '"', "”", "'"),
    *("•", "- ", "*", "* ", "●", "▶", "–", "{", "}", "⟨", "(", "]", "read more", "Read More..", "//", "%", "# "),
]
FUNCTION_WORDS = {word_hash(word) for word in own()["en"].function_words}
KNOWN = (classes() & KIND) > KINDS.index(
    "other"
)  # characters of the table's Unicode version: another Python knows more
CHARACTERS = st.characters(codec="utf-8").filter(lambda char: KNOWN[ord(char)])
TEXT = st.lists(st.sampled_from(LIKELY) | st.text(CHARACTERS, max_size=3), max_size=40).map("".join)


def batch_of(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def fast(text, names):
    """The measures of one text, as plain values."""
    return {name: values[0] for name, values in measured(batch_of([text]), names).items()}


def per(part, whole):
    size = whole if isinstance(whole, int | float) else len(whole)
    return part / size if size else 0.0


def share(those, of):
    return per(sum(map(bool, those)), of)


def pieces(text, first, last):
    raw = text.encode()
    return [raw[a:b].decode() for a, b in zip(first, last, strict=True)]


def letters(word):
    return any(char.isalpha() for char in word)


def entropy(counts):
    whole = sum(counts)
    return -sum(c / whole * math.log(c / whole) for c in counts)


def of_words(text):
    """Words, lines, paragraphs and sentences are those of the word pass, which has its own tests."""
    found = batch_of([text]).words
    words = pieces(text, found.starts, found.ends)
    lines = pieces(text, found.line_starts, found.line_ends)
    invisible = "[\\s\u200b\u200c\u200d\ufeff\u00ad]"
    shown = [s for s in (re.sub(f"^{invisible}+|{invisible}+$", "", line) for line in lines) if s]
    spelled = Counter(found.hashes.tolist())
    tens = [tuple(found.hashes[i : i + 10].tolist()) for i in range(max(len(words) - 9, 0))]
    of_ten = Counter(tens)
    return {
        "words": len(words),
        "mean_word_length": per(sum(map(len, words)), words),
        "median_word_length": median(map(len, words)) if words else 0,
        "longest_word": max(map(len, words), default=0),
        "alphabetic_word_share": share((kind & 1 for kind in found.kinds.tolist()), words),
        "stop_words": len({word.lower().replace("\u200d", "") for word in words} & set(STOP_WORDS)),
        "unique_word_share": per(len(spelled), words),
        "unigram_entropy": entropy(spelled.values()),
        "repeated_10gram_share": share((of_ten[run] > 1 for run in tens), tens),
        "stop_word_share": share((hash_ in FUNCTION_WORDS for hash_ in found.hashes.tolist()), words),
        "hash_word_ratio": per(text.count("#"), words),
        "ellipsis_word_ratio": per(text.count("...") + text.count("…"), words),
        "bullet_line_share": share((line.startswith(tuple(BULLETS)) for line in shown), shown),
        "ellipsis_line_share": share((line.endswith(("...", "…")) for line in shown), shown),
        "lines": len(shown),
        "blank_lines": len(lines) - len(shown),
        "paragraphs": len(found.paragraph_starts),
        "sentences": len(found.sentence_ends),
    }


def of_characters(text):
    kinds = [KINDS[classes()[ord(char)] & KIND] for char in text]
    special = ("punctuation", "symbol", "connector", "digit", "space", "break")
    plain = re.findall("[a-zA-Z0-9\n?!,.]", text)
    return {
        "alphabetic_char_share": share(map(str.isalpha, text), text),
        "alphanumeric_char_share": share(map(str.isalnum, text), text),
        "digit_share": share(map(str.isdecimal, text), text),
        "upper_case_share": share((c.isupper() and k == "letter" for c, k in zip(text, kinds, strict=True)), text),
        "white_space_share": share(map(str.isspace, text), text),
        "bracket_share": share((char in "{}⟨⟩[]()" for char in text), text),
        "special_char_share": share((kind in special for kind in kinds), text),
        "cjk_char_share": share((kind == "cjk" for kind in kinds), text),
        "curly_bracket_share": share((char in "{}" for char in text), text),
        "nemo_symbol_char_share": per(len(text) - len(plain), text),
        "nemo_white_space_share": share((char in "\t\n\r\b " for char in text), text),
        "chars": len(text),
    }


def of_dclm(text):
    words = text.split()
    chunks = re.split("[ \n\r\t\v\f\0]+", text)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    symbols = sum(map(text.count, ("#", "...", ". . .", "…")))
    return {
        "dclm_words": sum(chunk[:1].isalnum() for chunk in chunks),
        "dclm_mean_word_length": per(sum(map(len, words)), words),
        "dclm_symbol_word_ratio": per(symbols, words),
        "dclm_bullet_line_share": share((line.startswith(("●", "•", "*", "-")) for line in lines), lines),
        "dclm_ellipsis_line_share": share((line.endswith(("...", ". . .", "…")) for line in lines), lines),
        "dclm_alphabetic_word_share": share(map(letters, words), words),
        "dclm_stop_words": sum(word.lower() in STOP_WORDS for word in words),
    }


def of_dolma(text):
    words, lines = text.split(), text.split("\n")
    return {
        "dolma_words": len(words),
        "dolma_median_word_length": median(map(len, words)) if words else 0,
        "dolma_symbol_word_ratio": share(("#" in word or "…" in word for word in words), words),
        "dolma_alphabetic_word_share": share(map(letters, words), words),
        "dolma_stop_words": sum(word in STOP_WORDS for word in words),
        "dolma_bullet_line_share": share((line.startswith(("*", "-")) for line in lines), lines),
        "dolma_ellipsis_line_share": share((line.endswith("…") for line in lines), lines),
    }


def of_nemo(text):
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    ellipses = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")
    symbols = [word in ellipses or word == "(…)" or len(re.findall("#+", word)) / len(word) > 0.5 for word in words]
    urls = re.findall(r"https?://(?:[a-zA-Z0-9$\-_@.&+!*(),]|%[0-9a-fA-F]{2})+", text)
    paragraphs = [paragraph.lower() for paragraph in text.split("\n\n")]
    policies = share((any(phrase in paragraph for phrase in BOILERPLATE) for paragraph in paragraphs), paragraphs)
    return {
        "nemo_words": len(words),
        "nemo_mean_word_length": per(sum(map(len, words)), words),
        "nemo_longest_word": max(map(len, words), default=0),
        "nemo_symbol_word_ratio": share(symbols, words),
        "nemo_bullet_line_share": share((line[0] in "•‣⁃⁌⁍∙○●◘◦⦾⦿" for line in lines), lines),
        "nemo_ellipsis_line_share": share((line.lower().endswith(ellipses) for line in lines), lines),
        "nemo_unclosed_line_share": share((not line.endswith((".", "?", "!", '"', "'")) for line in lines), lines),
        "nemo_alphabetic_word_share": share(map(letters, words), words),
        "nemo_stop_words": sum(word in STOP_WORDS for word in words),
        "url_char_share": per(sum(map(len, urls)), text),
        "porn_urls": sum("porn" in url for url in urls),
        "boilerplate_paragraph_share": 1.0 if any("lorem ipsum" in p for p in paragraphs) else policies,
        "lorem_ipsum": text.lower().count("lorem ipsum"),
        "javascript": text.lower().count("javascript"),
    }


def of_redpajama(text):
    words = [word for word in (re.sub("[!-/:-@[-`{-~]", "", run).casefold() for run in text.split()) if word]
    raw = re.findall(r"\w+|[^\w\s]+", text)
    lines = re.findall("[^\n]*\n|[^\n]+$", text)
    bare = [" ".join(re.sub("[!-/:-@[-`{-~]", "", line).split()) for line in lines]
    bullets = tuple("\u2022\u2023\u25b6\u25c0\u25e6\u25a0\u25a1\u25aa\u25ab\u2013")
    symbols = sum(map(text.count, ("#", "...", "…")))
    return {
        "rps_doc_word_count": len(words),
        "rps_doc_num_sentences": len(re.findall(r"\b[^.!?]+[.!?]*", text)),
        "rps_doc_symbol_to_word_ratio": per(symbols, raw),
        "rps_doc_frac_lines_end_with_ellipsis": share((s.rstrip().endswith(("...", "…")) for s in lines), lines),
        "rps_doc_frac_no_alph_words": share((not re.search("[a-zA-Z]", word) for word in raw), raw),
        "rps_doc_curly_bracket": share((char in "{}" for char in text), text),
        "rps_lines_ending_with_terminal_punctution_mark": share(
            (s.rstrip().endswith((".", "!", "?", "”")) for s in lines), lines
        ),
        "rps_lines_start_with_bulletpoint": share((s.lstrip().startswith(bullets) for s in lines), lines),
        "rps_lines_num_words": per(sum(len(line.split()) for line in bare), lines),
        "rps_lines_numerical_chars_fraction": per(
            sum(share((category(c) in ("Nd", "No") for c in raw), raw) for raw in bare), lines
        ),
        "rps_lines_uppercase_letter_fraction": per(sum(share(map(str.isupper, line), line) for line in lines), lines),
        "rps_lines_javascript_counts": per(words.count("javascript"), lines),
    }


def of_redpajama_in_ascii(text):
    """Signals whose case folding or letters differ in small ways beyond ASCII."""
    words = [word for word in (re.sub("[!-/:-@[-`{-~]", "", run).lower() for run in text.split()) if word]
    raw = re.findall(r"\w+|[^\w\s]+", text)
    counts = Counter(words).values()
    return {
        "rps_doc_mean_word_length": per(sum(map(len, words)), words),
        "rps_doc_frac_unique_words": per(len(counts), words),
        "rps_doc_unigram_entropy": entropy(counts),
        "rps_doc_frac_all_caps_words": share(map(str.isupper, raw), raw),
        "rps_doc_lorem_ipsum": per(sum(pair == ("lorem", "ipsum") for pair in pairwise(words)), len(" ".join(words))),
    }


def of_code(text):
    lines = text.splitlines()
    shown = [line for line in lines if line.strip()]
    comments = [line for line in shown if line.strip() in "*#;%" or line.strip().startswith(COMMENTS)]
    visible = [re.sub(r"\s", "", line) for line in shown]
    hexadecimal = r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}"
    runs = [
        *re.findall("[a-zA-Z0-9+/\n=]{64,}", text),
        *re.findall(hexadecimal, text),
        *re.findall(r"(?:\\u[0-9a-fA-F]{4}){8,}", text),
    ]
    return {
        "code_lines": len(lines),
        "longest_line": max(map(len, lines), default=0),
        "mean_line_length": per(sum(map(len, lines)), lines),
        "chars_per_line": per(len(text), lines),
        "comment_char_share": per(sum(map(len, comments)), sum(map(len, lines))),
        "letters_per_word": per(sum(map(str.isalpha, text)), batch_of([text]).words.starts),
        "data_line_share": share((2 * sum(map(str.isdecimal, line)) >= len(line) for line in visible), shown),
        "encoded_char_share": min(1.0, per(sum(map(len, runs)), text)),
        "longest_encoded_run": max(map(len, runs), default=0),
        "generated_marks": sum(mark in "\n".join(lines[:5]).lower() for mark in GENERATED),
        "xml_header": int("<?xml version=" in text[:100]),
    }
