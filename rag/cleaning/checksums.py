"""Check digits of card, bank account and identity numbers."""

import re

# ISO 13616 registry: the length of an IBAN by country.
_IBAN_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 33: "LC RU",
    }.items()
    for code in codes.split()
}  # fmt: skip
_CARDS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|(?:5[1-5]|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]*|3[47][0-9]{13}|(?:30[0-5]|3[689])[0-9]{11,16}|35[0-9]{14}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}"
    r"|62[0-9]{14,17}"
)
_SIXTEEN = 16


def luhn(number: str) -> bool:
    """Whether it is a payment card's number: issuer, length and check digit (ISO/IEC 7812-1)."""
    digits = re.sub(r"\D", "", number)
    if not _CARDS.fullmatch(digits) or (digits[0] in "25" and len(digits) != _SIXTEEN):
        return False
    doubled = [int(each) * 2 for each in digits[-2::-2]]
    total = sum(int(each) for each in digits[-1::-2]) + sum(n - 9 if n > 9 else n for n in doubled)
    return total % 10 == 0 and len(set(digits)) > 1


def iban_length(candidate: str) -> int:
    """How many characters from the start are an IBAN, blanks included (ISO 7064 mod 97-10)."""
    wanted = _IBAN_LENGTHS.get(candidate[:2], 0)
    signs = [(at, each) for at, each in enumerate(candidate) if each != " "]
    if not wanted or len(signs) < wanted:
        return 0
    end = signs[wanted - 1][0] + 1
    if candidate[end : end + 1].strip():
        return 0
    account = "".join(each for _, each in signs[:wanted])
    value = int("".join(str(int(each, 36)) for each in account[4:] + account[:4]))
    return end if value % 97 == 1 else 0


def chinese_id(number: str) -> bool:
    """The check digit of a resident identity number (GB 11643, ISO 7064 mod 11-2)."""
    total = sum(int(each) * pow(2, 17 - at, 11) for at, each in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()
