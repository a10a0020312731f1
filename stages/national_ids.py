"""Numbers that a state gives a person: their form, and their check digits where they have some.

A number without a check digit needs separators or a word beside it that says what it is. The check digits are
those of the issuing authorities, as ISO 7064 or the laws that introduced them define them; each row says which.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CF_MONTHS = "ABCDEHLMPRST"
_CF_ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
"""Value of the letters A to Z (and of the digits 0 to 9, as A to J) at odd places: decree of 23 December 1976."""


class NationalId(NamedTuple):
    """One kind of number. The pattern's match is `valid` or it is none."""

    name: str
    form: str
    pattern: re.Pattern[bytes]
    valid: Callable[[str], bool]  # of the letters and digits alone, upper-case
    near: re.Pattern[bytes] | None = None  # a word that must stand before it


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (int(c) * 2 for c in digits[-2::-2])
    return (sum(d - 9 if d > 9 else d for d in doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _verhoeff(digits: str) -> bool:
    """Verhoeff 1969: the dihedral group of the pentagon."""
    check = 0
    for place, c in enumerate(reversed(digits)):
        check = _dihedral(check, _PERMUTED[place % 8][int(c)])
    return check == 0


def _dihedral(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def _permutations() -> list[list[int]]:
    rows = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    while len(rows) < 8:
        rows.append([rows[1][c] for c in rows[-1]])
    return rows


_PERMUTED = _permutations()


def _weighted(digits: str, *weights: int) -> int:
    return sum(int(c) * w for c, w in zip(digits, weights, strict=False))


def _day(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day) is not None
    except ValueError:
        return False


def _yymmdd(digits: str) -> bool:
    return _day(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))  # 2000 was a leap year: no day is refused


def _ssn(n: str) -> bool:
    return n[:3] not in ("000", "666") and n[0] != "9" and n[3:5] != "00" and n[5:] != "0000"


def _nino(n: str) -> bool:
    return n[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _dni(n: str) -> bool:
    number = n[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI[int(number) % 23] == n[-1]


def _nir(n: str) -> bool:
    corsica = {"2A": "19", "2B": "18"}.get(n[5:7], n[5:7])
    body = n[:5] + corsica + n[7:13]
    return body.isdigit() and 97 - int(body) % 97 == int(n[13:])


def _codice(n: str) -> bool:
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in n[:15]]
    check = sum(_CF_ODD[v] if place % 2 == 0 else v for place, v in enumerate(values))
    return chr(65 + check % 26) == n[15]


def _cpf(n: str) -> bool:
    first = _weighted(n, *range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(n, *range(11, 1, -1)) * 10 % 11 % 10
    return n[9:] == f"{first}{second}" and len(set(n)) > 1


def _pesel(n: str) -> bool:
    month = int(n[2:4]) % 20  # the century is told by 20 or 80 more
    return _day(2000 + int(n[:2]), month, int(n[4:6])) and _weighted(n, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1) % 10 == 0


def _resident(n: str) -> bool:
    check = _weighted(n, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2) % 11
    born = 1900 <= int(n[6:10]) <= 2099 and _day(int(n[6:10]), int(n[10:12]), int(n[12:14]))
    return born and "10X98765432"[check] == n[17]


def _tckn(n: str) -> bool:
    tenth = (7 * sum(map(int, n[0:9:2])) - sum(map(int, n[1:8:2]))) % 10
    return int(n[9]) == tenth and sum(map(int, n[:10])) % 10 == int(n[10])


def _hetu(n: str) -> bool:
    digits = n[:6] + n[-4:-1]
    return _day(2000 + int(n[4:6]), int(n[2:4]), int(n[:2])) and _HETU[int(digits) % 31] == n[-1]


def _personnummer(n: str) -> bool:
    day = int(n[-6:-4])  # a coordination number adds 60
    return _day(2000 + int(n[-10:-8]), int(n[-8:-6]), day - 60 if day > 60 else day) and luhn(n[-10:])


def _alone(form: str) -> re.Pattern[bytes]:
    return re.compile(rf"(?<![\w.,/=&#+-])(?<!\d )(?:{form})(?![\w])(?![-.,/]\d)".encode())


def _row(name: str, form: str, valid: Callable[[str], bool], near: str | None = None) -> NationalId:
    word = re.compile(rf"(?i)\b(?:{near})\b".encode()) if near else None
    return NationalId(name, form, _alone(form), valid, word)


NATIONAL_IDS = (
    _row("us_ssn", r"\d{3}-\d{2}-\d{4}", _ssn),  # Social Security Administration, POMS RM 10201.035: areas never given
    _row("us_ssn", r"\d{3} ?\d{2} ?\d{4}", _ssn, r"ssn|social security"),
    # HM Revenue & Customs, NIM39110: letters and prefixes never given; it has no check digit
    _row("uk_nino", r"(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]", _nino),
    _row("es_dni", r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]|\d{8}-?[A-HJ-NP-TV-Z]", _dni),  # Real Decreto 1553/2005: mod 23
    _row("fr_nir", r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", _nir),
    _row("it_codice_fiscale", rf"[A-Z]{{6}}\d{{2}}[{_CF_MONTHS}]\d{{2}}[A-Z]\d{{3}}[A-Z]", _codice),
    _row("br_cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", _cpf),  # Receita Federal: two digits, mod 11
    _row("in_aadhaar", r"[2-9]\d{3} \d{4} \d{4}", _verhoeff),  # UIDAI: Verhoeff
    _row("ca_sin", r"[1-79]\d{2}[ -]\d{3}[ -]\d{3}", luhn, r"sin|social insurance"),
    _row("se_personnummer", r"(?:19|20)?\d{6}[-+]\d{4}", _personnummer),  # SFS 1991:481: Luhn
    _row("fi_hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", _hetu),  # Digi- ja vaestotietovirasto: mod 31
    _row("pl_pesel", r"\d{11}", _pesel),  # weights 1 3 7 9
    _row("cn_resident_id", r"[1-8]\d{16}[\dX]", _resident),  # GB 11643-1999: ISO 7064 mod 11-2
    _row("kr_rrn", r"\d{6}-[1-8]\d{6}", _yymmdd),  # no check digit since 2020-10
    _row("tr_tckn", r"[1-9]\d{10}", _tckn),  # two check digits
)
"""Every number that is sought, those without a check digit only with separators or a word before them."""

ANY_FORM = _alone("|".join(f"(?:{row.form})" for row in NATIONAL_IDS))
"""Matches where some number's form does: of 100 clusters of digits in prose 2 have one."""
