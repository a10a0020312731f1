"""What personal data is: patterns and checks, asked of a slice around each place that stages/pii_places.py tells.

Python's own regular expressions decide, on slices of at most 400 bytes (12 kB for a private key), with bounded and
where it counts possessive repeats, at 9 us a place; English prose has a place in 3 kB. All are over ASCII bytes: an
address in other scripts is not found, nor a number whose parts stand at no-break spaces or typographic dashes.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from stages.national_ids import ANY_FORM, NATIONAL_IDS, luhn

KINDS = ("email", "ip", "phone", "iban", "card", "national_id", "secret")
EMAIL, IP, PHONE, IBAN, CARD, NATIONAL_ID, SECRET = range(7)
RANK = (1, 4, 6, 2, 3, 5, 0)
"""Of two kinds that claim the same bytes the lower rank has them: what is checked by a digit before what is not."""

AROUND = 40
"""Bytes before a place in which a word may say what a number is (Phone: ...)."""

BEHIND = 24
"""Bytes behind a place that may belong to it: the extension of a telephone, a check letter."""


class Hit(NamedTuple):
    """Bytes of a slice that are personal data of a kind."""

    start: int
    end: int
    kind: int


_EMAIL = re.compile(
    rb"[A-Za-z0-9_][A-Za-z0-9!#$%&'*+?^_`{|}~.-]{0,63}+(?<!\.)@"
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?:xn--[A-Za-z0-9-]{2,59}|[A-Za-z]{2,24})(?![A-Za-z0-9])"
)
_NOBODY = re.compile(
    rb"(?i)@(?:.{1,200}\.)?example(?:\.(?:com|net|org|edu))?$|\.(?:example|test|invalid|localhost)$"  # RFC 2606
    rb"|\.(?:png|jpe?g|gif|svg|webp|js|css|json|html?|py|md|txt)$|^git@"  # icon@2x.png, pkg@1.x.js, git@host
)


def emails(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """RFC 5322's dot-atoms with a name that the DNS could hold; reserved names (RFC 2606) and files are nobody's."""
    at = text.index(b"@", start)
    local = text[start:at].rpartition(b"..")[2].lstrip(b"!#$%&'*+?^`{|}~.-")  # `name`, **name**: marks around it
    found = _EMAIL.match(text, at - len(local), end)
    if found and not _NOBODY.search(found[0]):
        yield Hit(*found.span(), EMAIL)


_IPV4 = re.compile(
    rb"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?![\w-]|\.\d)"
)
_NUMBERED = re.compile(
    rb"(?i)(?:version|release|ver\.?|v|section|sections|sec\.?|chapter|clause|figure|fig\.?|table|\xa7)\s?$"
)


def ipv4(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """Public addresses; four numbers behind `version`, `section` and the like are none."""
    for found in _IPV4.finditer(text, start, end) if text.count(b".", start, end) >= 3 else ():
        if _public(found[0]) and not _NUMBERED.search(text, 0, found.start()):
            yield Hit(*found.span(), IP)


def _public(written: bytes) -> bool:
    address = ip_address(written.decode())
    return address.is_global and not address.is_multicast


_IPV6 = re.compile(rb"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])")


def ipv6(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """Public addresses as `ipaddress` reads them: a time of day, a MAC address and std::cout are none."""
    found = _IPV6.match(text, start)
    if found and len(found[0]) > 6:
        try:
            if _public(found[0]):
                yield Hit(*found.span(), IP)
        except ValueError:
            return


_CARD = re.compile(
    rb"(?<![\w.,/=&#+-])(?:\d{12,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w])(?![-.,/ ]\d)"
)
ISSUERS = (  # ISO/IEC 7812 prefixes, first and last, and the lengths in use, as the issuers publish them
    ("Visa", 4, 4, (13, 16, 19)), ("Mastercard", 51, 55, (16,)), ("Mastercard", 2221, 2720, (16,)),
    ("American Express", 34, 34, (15,)), ("American Express", 37, 37, (15,)),
    ("Discover", 6011, 6011, (16, 19)), ("Discover", 644, 659, (16, 19)),
    ("Diners Club", 300, 305, (14, 16)), ("Diners Club", 3095, 3095, (14, 16)), ("Diners Club", 36, 36, (14, 16)),
    ("Diners Club", 38, 39, (14, 16)), ("JCB", 3528, 3589, (16, 19)), ("JCB", 1800, 1800, (15,)),
    ("JCB", 2131, 2131, (15,)), ("UnionPay", 62, 62, (16, 17, 18, 19)), ("UnionPay", 81, 81, (16, 17, 18, 19)),
    ("Mir", 2200, 2204, (16, 17, 18, 19)),
    *(("Maestro", p, p, tuple(range(12, 20))) for p in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)),
    ("RuPay", 60, 60, (16,)), ("RuPay", 82, 82, (16,)), ("RuPay", 508, 508, (16,)),
)  # fmt: skip


def issued(digits: str) -> bool:
    """Whether an issuer gives cards of that prefix and length."""
    return any(low <= int(digits[: len(str(low))]) <= high and len(digits) in sizes for _, low, high, sizes in ISSUERS)


def cards(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """12 to 19 digits in the groups that cards have, of a known issuer, with the right check digit (Luhn)."""
    for found in _CARD.finditer(text, start, end) if end - start >= 12 else ():
        digits = _bare(found[0])
        if issued(digits) and luhn(digits):
            yield Hit(*found.span(), CARD)


def _bare(text: bytes) -> str:
    return "".join(c for c in text.decode().upper() if c.isalnum())


_LENGTHS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21
LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22
RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS = {row[:2]: int(row[2:]) for row in _LENGTHS.split()}
"""Characters of an IBAN by country: ISO 13616, SWIFT's registry."""

_IBAN = re.compile(rb"(?<!\w)[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")


def ibans(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """Of a country's length, in groups or without, with the right check digits: the number mod 97 is 1."""
    found = _IBAN.match(text, start, end)
    length = IBAN_LENGTHS.get(found[0][:2].decode().upper()) if found else None
    if found is None or length is None:
        return
    places = [place for place in range(*found.span()) if text[place : place + 1].isalnum()][:length]
    bare = bytes(text[place] for place in places).upper().decode()
    behind = text[places[-1] + 1 : places[-1] + 2]
    number = "".join(str(int(c, 36)) for c in bare[4:] + bare[:4])
    if len(bare) == length and not behind.isalnum() and int(number) % 97 == 1:
        yield Hit(found.start(), places[-1] + 1, IBAN)


_EXTENSION = rb"(?:(?: ?(?:x|ext\.?|extension) ?)\d{1,6})?"
_END = rb"(?![\w])(?![-./:]\d)"
_BEFORE = rb"(?<![\w.,/=&#%+-])"
_PHONES = (  # forms that are telephones by themselves
    rb"(?<![\w])\(?\+ ?\(?[1-9]\d{0,2}+\)?(?:[ .-]?\(?\d{1,5}+\)?){1,6}+"
    + _EXTENSION
    + _END,  # ITU-T E.164 behind a plus
    _BEFORE + rb"(?:(?:00)?1[-. ])?(?:\([2-9]\d{2}\) ?-?|[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}" + _EXTENSION + _END,  # NANP
    _BEFORE + rb"001[-. ]\d{3}[-. ]\d{3}[-. ]\d{4}" + _EXTENSION + _END,  # NANP from abroad
    _BEFORE + rb"\(0?\d{2,4}\)[ -]?\d{2,4}(?:[ -]\d{2,4}){1,3}" + _END,  # an area code in parentheses
    _BEFORE + rb"0[1-9]\d{0,3}(?:[ ./-]\d{2,4}(?:[ .-]\d{2,4}){1,3}|[ ./-]\d{4,8})" + _END,  # a trunk 0 and groups
)
_PHONE = re.compile(b"|".join(b"(?:%s)" % form for form in _PHONES))
_BY_WORD = re.compile(_BEFORE + rb"\(?\d{1,5}+\)?(?:[ .-]?\(?\d{1,5}+\)?){1,4}+" + _EXTENSION + _END)
_WORD = (
    rb"phones?|tel|telephone|mobile|cell|fax|desk|office|whatsapp|sms|text|call(?:ing|ed)?|dial|contact|hotline|reach"
    rb"|answering|messages?|telefon|telefono|t\xc3\xa9l\xc3\xa9phone|handy|movil|m\xc3\xb3vil|telefax"
)
_SAID = re.compile(rb"(?i)\b(?:" + _WORD + rb")\b[^\d\n]{0,24}\n?[^\d\n]{0,6}$")
_SAID_BEHIND = re.compile(rb"(?i)[ -]{1,2}\(?(?:office|fax|mobile|cell|phone|home|work)\b")
_DATE = re.compile(
    rb"(?:1[5-9]|20)\d\d([-./ ])\d{1,2}\1\d{1,2}(?!\d)|\d{1,2}([-./ ])\d{1,2}\2\d{4}(?!\d)"
    rb"|(?:1[5-9]|20)\d\d ?[-/] ?(?:1[5-9]|20)\d\d(?!\d)"
)


def phones(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """Telephone numbers in their usual forms, other groups where a word says so. 555-01xx is fiction (NANPA)."""
    alone = False
    for found in _PHONE.finditer(text, start, min(end + BEHIND, len(text))):
        least = 7 if b"+" in found[0] else 8
        if found.start() < end and _telephone(found[0], least):
            alone = True
            yield Hit(*found.span(), PHONE)
    if alone:
        return
    for found in _BY_WORD.finditer(text, start, min(end + BEHIND, len(text))):
        if found.start() < end and _telephone(found[0], 7) and (
            _SAID.search(text, 0, found.start()) or _SAID_BEHIND.match(text, found.end())
        ):  # fmt: skip
            yield Hit(*found.span(), PHONE)


def _telephone(text: bytes, least: int) -> bool:
    number = re.split(rb"[xe]", text)[0]
    digits = sum(0x30 <= c <= 0x39 for c in number)  # E.164: at most 15
    parts = re.findall(rb"\d+", number)
    fiction = parts[-1][-4:-2] == b"01" and b"".join(parts)[-7:-4] == b"555"
    other = _DATE.match(number) or _IPV4.fullmatch(number) or parts[0][:3] == b"000"
    return least <= digits <= 15 and not other and not fiction


def national_ids(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """The numbers of stages/national_ids.py."""
    stop = min(end + 4, len(text))
    if not ANY_FORM.search(text, start, stop):
        return
    for row in NATIONAL_IDS:
        for found in row.pattern.finditer(text, start, stop):
            wanted = row.near is None or row.near.search(text, 0, found.start())
            if found.start() < end and wanted and row.valid(_bare(found[0])):
                yield Hit(*found.span(), NATIONAL_ID)


def token_ids(text: bytes, start: int, end: int) -> Iterator[Hit]:
    """Those that begin with a letter or hold one: the longest has 16 characters, an Italian one."""
    yield from national_ids(text, start, min(end, start + 16))


SECRETS = (  # how keys begin, and what follows; from the issuers' own documentation
    (b"AKIA", rb"AKIA[A-Z2-7]{16}"), (b"ASIA", rb"ASIA[A-Z2-7]{16}"),  # AWS: identifiers reference
    (b"ghp_", rb"ghp_[A-Za-z0-9]{36}"), (b"gho_", rb"gho_[A-Za-z0-9]{36}"), (b"ghu_", rb"ghu_[A-Za-z0-9]{36}"),
    (b"ghs_", rb"ghs_[A-Za-z0-9]{36}"), (b"ghr_", rb"ghr_[A-Za-z0-9]{36}"),  # GitHub: token formats
    (b"github_pat_", rb"github_pat_[A-Za-z0-9_]{22,100}"), (b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,64}"),
    (b"xox", rb"xox[abeprs]-[A-Za-z0-9-]{10,160}"),  # Slack: token types
    (b"sk-", rb"sk-(?=[A-Za-z_-]{0,100}\d)[A-Za-z0-9_-]{20,200}"),  # OpenAI, Anthropic
    (b"sk_live_", rb"sk_live_[A-Za-z0-9]{16,200}"), (b"rk_live_", rb"rk_live_[A-Za-z0-9]{16,200}"),  # Stripe
    (b"AIza", rb"AIza[A-Za-z0-9_-]{35}"), (b"ya29.", rb"ya29\.[A-Za-z0-9_-]{20,200}"),  # Google
    (b"SG.", rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"), (b"npm_", rb"npm_[A-Za-z0-9]{36}"),
    (b"hf_", rb"hf_[A-Za-z0-9]{30,40}"), (b"pypi-", rb"pypi-AgE[A-Za-z0-9_-]{50,250}"),
    (b"dop_v1_", rb"dop_v1_[a-f0-9]{64}"), (b"shpat_", rb"shpat_[a-fA-F0-9]{32}"),
    (b"eyJ", rb"eyJ[A-Za-z0-9_-]{10,300}+\.eyJ[A-Za-z0-9_-]{10,2000}+\.[A-Za-z0-9_-]{10,700}"),  # RFC 7519
    (
        b"-----BEGIN ",  # RFC 7468
        rb"-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,]|-(?!----)){40,12000}+"
        rb"-----END [A-Z ]{5,30}-----",
    ),
)  # fmt: skip
NAMES = (b"api_key", b"api-key", b"apikey", b"access_key", b"secret", b"token", b"passwd", b"password")
"""What people call a key; the value behind it counts where it looks drawn by chance."""

MOST_SECRET = 12_288
"""Bytes of a slice in which a key must end: an RSA key of 8,192 bits takes 6,400 in PEM (RFC 7468)."""

_SECRET = [re.compile(pattern + rb"(?![A-Za-z0-9])") for _, pattern in SECRETS]
_NAMED = re.compile(
    rb"[A-Za-z_-]{0,12}[\"']?\s{0,3}(?:=>|:=|[:=])\s{0,3}[\"']?([A-Za-z0-9+/_=-]{20,128})(?![A-Za-z0-9])"
)
LEAST_BITS, LEAST_HEX_BITS = 3.5, 3.0
"""Bits per character of a value drawn by chance: 20 characters of base64 have 3.9 on average, 32 of hexadecimal 3.5,
words in snake_case 3.3 and less."""


def secrets(text: bytes, start: int, end: int, key: int) -> Iterator[Hit]:
    """A key of a known form, or a value of many different characters, a digit among them, behind a name."""
    if key < len(SECRETS):
        if found := _SECRET[key].match(text, start):
            yield Hit(*found.span(), SECRET)
    elif (found := _NAMED.match(text, end)) and _drawn(found[1]):
        yield Hit(*found.span(1), SECRET)


def _drawn(value: bytes) -> bool:
    share = [count / len(value) for count in Counter(value).values()]
    bits = -sum(p * math.log2(p) for p in share)
    least = LEAST_HEX_BITS if re.fullmatch(rb"[0-9a-f]+|[0-9A-F]+", value) else LEAST_BITS
    return bits >= least and bool(re.search(rb"\d", value)) and bool(re.search(rb"[A-Za-z]", value))


Detector = Callable[[bytes, int, int], Iterator[Hit]]
DETECTORS: tuple[tuple[Detector, ...], ...] = (
    (emails,), (ipv4, cards, national_ids, phones), (ibans, token_ids), (ipv6,),
)  # fmt: skip
"""Who is asked about a place of each kind in stages/pii_places.py, keys apart."""
