"""Outputs without a label, and pages of the matrix over ranges that grow."""

from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.labels.unlabeled import unlabeled_outputs
from evalsets.runs.matrix import matrix_page
from evalsets.runs.service import get_run
from tests.support.runs_factory import make_run


def test_it_counts_no_further_than_asked(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        run = make_run(
            session, cases=6, output=lambda row, arm, _: None if row == 5 else f"{row}{arm}"
        )
        for cell in (0, 2, 3):
            save_label(session, item_of(session, run, cell), checked("good"), Press("import"))
        row = get_run(session, run)
        assert [unlabeled_outputs(session, row, most) for most in (1, 3, 100)] == [2, 6, 7]


def test_rare_rows_are_found_far_away_in_both_directions(db: Database) -> None:
    """The ranges grow four times each, over cases that an imported run left out, too."""

    def answered(row: int, arm: int, _: int) -> str | None:
        return None if row in (3, 90, 398) and arm == 1 else f"{row} {arm}"

    with db.session_scope("user:ann") as session:
        run = make_run(
            session, cases=400, output=answered, repeats=2, imported=True,
            only=lambda row, _: not 100 <= row < 300,
        )  # fmt: skip
        pages = [matrix_page(session, run, show="failed", limit=2)]
        pages.append(matrix_page(session, run, show="failed", limit=2, after=pages[-1].after))
        pages.append(matrix_page(session, run, show="failed", limit=2, after=pages[-1].after))
        back = matrix_page(session, run, show="failed", limit=2, before=pages[-1].before)
        everything = matrix_page(session, run, limit=1000)
    keys = [[row.key for row in page.rows] for page in pages]
    assert keys == [[6, 7], [180, 181], [796, 797]]
    assert [row.key for row in back.rows] == [180, 181]
    assert (pages[-1].after, back.before) == (None, 180)
    assert [row.key for row in everything.rows] == [*range(200), *range(600, 800)]
