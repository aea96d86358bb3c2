"""Numbers as people read them (PAGES: looks)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.workspace.components import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unpriced"), ("0", "$0"), ("0.0021", "$0.0021"), ("0.00214", "$0.0021"),
        ("0.000126", "$0.00013"), ("1.84", "$1.84"), ("0.01", "$0.01"), ("1234.5", "$1,234.50"),
        (Decimal("0.0099"), "$0.0099"),
    ],
)  # fmt: skip
def test_money(value, text):
    assert numbers.money(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "–"), (850, "850 ms"), (2100, "2.1 s"), (200_000, "3 min 20 s"), (60_000, "1 min"),
     (0, "0 ms"), (0.2, "< 1 ms"), (999.7, "1.0 s"), (59_940, "59.9 s"),
     (7_500_000, "2 h 5 min"), (59_999, "1 min")],
)  # fmt: skip
def test_span(ms, text):
    assert numbers.span(ms) == text


def test_share_names_interval_and_n():
    assert numbers.share(0.78, (0.69, 0.85), 96) == "78% (69–85), n = 96"
    assert numbers.share(None, None, 0) == "no labels"
    assert numbers.share(1.0, None, 3) == "100%, n = 3"


def test_difference_in_points_with_sign():
    assert numbers.difference(0.17, (0.06, 0.28)) == "+17 points (+6 to +28)"
    assert numbers.difference(-0.03, (-0.1, 0.04)) == "\u22123 points (\u221210 to +4)"
    assert numbers.difference(None, None) == "–"


def test_p_value():
    assert numbers.p_value(0.0004) == "p < 0.001"
    assert numbers.p_value(0.0042) == "p = 0.004"


def test_counts():
    assert numbers.count(1234) == "1,234"
    assert numbers.short_count(12_400) == "12.4k"
    assert numbers.short_count(9_999) == "9,999"
    assert numbers.score(0.831, (0.79, 0.87)) == "0.83 ± 0.04"
    assert numbers.score(None) == "unscored"


def test_moments():
    now = datetime.now(UTC)
    assert numbers.ago(now) == "just now"
    assert numbers.ago(now - timedelta(minutes=3)) == "3 min ago"
    assert numbers.ago(now - timedelta(days=40)) == f"{now - timedelta(days=40):%Y-%m-%d}"
    assert numbers.moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "2026-01-02 03:04 UTC"
