"""Masks: each kind in the forms people write it, and the numbers that must stay."""

import pytest

from rag.cleaning.changes import apply
from rag.cleaning.checksums import chinese_id, iban_length, luhn
from rag.cleaning.pii import pii


def _masked(text: str) -> str:
    return apply(text, (), pii(text)).text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Write to jane.doe+x@mail.example.co.uk.", "Write to [EMAIL]."),
        ("<mailto:info@example.com>", "<mailto:[EMAIL]>"),
        ("邮箱test_1@example.com，谢谢", "邮箱[EMAIL]，谢谢"),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN [IBAN], thanks"),
        ("GB82WEST12345698765432", "[IBAN]"),
        ("to SA0380000000608010167519 NOW", "to [IBAN] NOW"),
        ("Card 4111 1111 1111 1111", "Card [CARD]"),
        ("5500-0055-5555-5559 or 378282246310005", "[CARD] or [CARD]"),
        ("卡号6222021234567890128", "卡号[CARD]"),
        ("身份证11010519491231002X。", "身份证[ID]。"),
        ("SSN: 078-05-1120", "SSN: [SSN]"),
        ("ip 192.168.1.20 and 8.8.8.8", "ip [IP] and [IP]"),
        ("connect to host 1.2.3.4", "connect to host [IP]"),
        ("http://203.0.113.9/x", "http://[IP]/x"),
        ("2001:db8::ff00:42:8329", "[IP]"),
        ("fe80::1ff:fe23:4567:890a is up", "[IP] is up"),
        ("Call +49 30 1234567 now", "Call [PHONE] now"),
        ("+1 (415) 555-2671", "[PHONE]"),
        ("0044 20 7946 0958", "[PHONE]"),
        ("(415) 555-2671 or 415-555-2671 or 415.555.2671", "[PHONE] or [PHONE] or [PHONE]"),
        ("Tel. 020 7946 0958", "Tel. [PHONE]"),
        ("Telefon: 030 / 123456", "Telefon: [PHONE]"),
        ("01 23 45 67 89", "[PHONE]"),
        ("手机13800138000，或 +86 138 0013 8000", "手机[PHONE]，或 [PHONE]"),
        ("电话：010-62345678", "电话：[PHONE]"),
        ("هاتف: ٠٥٠١٢٣٤٥٦٧", "هاتف: [PHONE]"),
        ("１３８００１３８０００", "[PHONE]"),
    ],
)
def test_personal_data_is_masked(text: str, wanted: str) -> None:
    assert _masked(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "v1.2.3.4 and version 10.0.1.2, numpy==1.26.4.1, release 3.0.0.12",
        "Chrome 91.0.4472.124 on Windows 10.0.19041.1",
        "1.2.3.4 Scope of the fourth level",
        "2024-01-15, 15.01.2024, 01/15/2024, 2024年1月15日, 2019–2020",
        "12:30:45.678, 2024-01-15T12:30:45Z, 20240115123045",
        "$1,234,567.89, 1 234 567,00 EUR, ¥12,345,678, 99.99",
        "ISBN 978-3-16-148410-0, ISBN-10 3-16-148410-X, ISSN 2049-3630",
        "123e4567-e89b-12d3-a456-426614174000",
        "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c",
        "commit 4111111111111111a and 0x4111111111111111",
        "1700000000 1700000000000 3.14159265358979 6.02214076e23",
        "4111 1111 1111 1112 and 1234567890123456",
        "110105194912310021 and 123456789012345678",
        "DE89 3704 0044 0532 0130 01",
        "000-12-3456, 666-12-3456, 078-00-1120, 123-45-67890",
        "std::vector a::b ad::be 00:1A:2B:3C:4D:5E ::1 127.0.0.1 0.0.0.0",
        "react@18.2.0 git@github.com:a/b.git @user foo@bar user@1.2.3",
        "10.1000/xyz123 arXiv:2401.01234 RFC 9110 GB 18030 ISO 8601:2004",
        "256 x 256, 1920x1080, 1-2-3, 100-200-300, 3/4",
        "SKU 0042-7781-2234, order 20240115-0042, invoice #415-555-2671",
        "call 3 functions, phone 12, tel 5",
        "第1.2.3.4节 IPv4 IPv6",
        "0.13800138000 and 13800138000.5",
        "John Smith lives here.",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert _masked(text) == text


def test_check_digits_decide() -> None:
    assert luhn("4242 4242 4242 4242")
    assert not luhn("4242 4242 4242 4241")
    assert not luhn("4242 4242 4242 424")
    assert iban_length("FR1420041010050500013M02606 AND") == 27
    assert not iban_length("FR1420041010050500013M02607")
    assert not iban_length("ZZ1420041010050500013M02606")
    assert chinese_id("11010519491231002x")
    assert not chinese_id("110105194912310020")


def test_masks_do_not_overlap() -> None:
    text = "a@example.com 4111 1111 1111 1111 +1 415 555 2671 13800138000 " * 50
    assert _masked(text) == "[EMAIL] [CARD] [PHONE] [PHONE] " * 50
