"""What comes out of documents: their text as a person would write it down, and where pages begin."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pptx
import pytest
from pptx.util import Inches

from rag.parsing.limits import Limits
from rag.parsing.process import Parsed, Parser, Refused
from tests.support import bombs

DATA = Path(__file__).parents[3] / "shared" / "data"
MARKITDOWN = DATA / "docs_markitdown" / "markitdown" / "tests" / "test_files"
PYPDF = DATA / "docs_pdf_pypdf"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the sample documents are not here")


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as found:
        yield found


def one(parser: Parser, data: bytes, name: str) -> Parsed:
    (found,) = parser.parse(data, name)
    assert isinstance(found, Parsed), found
    assert found.name == name
    assert found.content_hash == hashlib.sha256(data).hexdigest()
    assert "\x00" not in found.text
    found.text.encode()
    return found


def refused(parser: Parser, data: bytes, name: str) -> str:
    (found,) = parser.parse(data, name)
    assert isinstance(found, Refused), found
    assert found.reason.endswith(".")
    return found.reason


def sample(path: Path) -> tuple[bytes, str]:
    return path.read_bytes(), path.name


PAGE = """<!doctype html><html><head><title>Guide &amp; more</title><style>p{}</style></head><body>
<nav><a href="/">Home</a></nav><header>Company</header>
<main><h1>Heat pumps</h1><p>They move <b>heat</b>, see <a href="https://example.org/x">the
guide</a> or <a href="/local">here</a>.<br>Second line.</p><script>alert(1)</script>
<p hidden>unseen</p><p style="display:none">unseen</p>
<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul><ol start=3><li>three</li></ol>
<pre>x = 1
  y = 2</pre><blockquote><p>Quoted.</p></blockquote>
<table><caption>Sizes</caption><tr><th>Model<th>kW</tr><tr><td rowspan=2>A<td>5</tr><tr><td>7</tr>
</table><img src="data:image/png;base64,AAAA" alt="A drawing of a pump"><img src="x.png" alt="x.png">
<p>H<sub>2</sub>O and x<sup>2</sup></p></main><footer>Imprint</footer></body></html>"""


def test_html(parser: Parser) -> None:
    found = one(parser, PAGE.encode(), "a.html")
    assert found.title == "Guide & more"
    assert found.media == "html"
    assert found.text == (
        "# Heat pumps\n\n"
        "They move heat, see [the guide](https://example.org/x) or here.\nSecond line.\n\n"
        "- one\n  - inner\n- two\n\n3. three\n\n```\nx = 1\n  y = 2\n```\n\n> Quoted.\n\n"
        "Sizes\n\n| Model | kW |\n| --- | --- |\n| A | 5 |\n| A | 7 |\n\n"
        "A drawing of a pump\n\nH₂O and x²"
    )
    assert found.notes == ("2 pictures were left out",)


def test_html_declares_its_encoding(parser: Parser) -> None:
    for declared, codec in (("gb2312", "gbk"), ("Shift_JIS", "cp932"), ("windows-1256", "cp1256")):
        word = {"gbk": "数据库", "cp932": "検索する", "cp1256": "قاعدة"}[codec]
        page = f"<html><head><meta charset={declared}></head><body><p>{word}</p></body></html>"
        assert one(parser, page.encode(codec), "a.html").text == word


def test_tables_stay_with_their_header(parser: Parser) -> None:
    small = one(parser, b"city,people\nCairo,10\nGiza,4\n", "a.csv")
    assert small.text == "| city | people |\n| --- | --- |\n| Cairo | 10 |\n| Giza | 4 |"
    rows = "".join(f"city {number};{number * 7};\n" for number in range(300))
    long = one(parser, f"city;people;\n{rows}".encode(), "a.csv")
    assert long.text.splitlines()[1] == "city: city 1; people: 7"
    assert len(long.text.splitlines()) == 300


def test_json_and_lines(parser: Parser) -> None:
    value = [{"q": "Why?", "a": {"text": "Because.", "tags": ["x", "y"]}}, {"q": "\ud800When?"}]
    want = "q: Why?\na.text: Because.\na.tags: x, y\n\nq: When?"
    assert one(parser, json.dumps(value).encode(), "a.json").text == want
    lines = "\n".join(map(json.dumps, value)) + "\nnot json\n"
    found = one(parser, lines.encode(), "a.jsonl")
    assert found.text == want
    assert found.notes == ("1 line was no JSON: 3",)
    assert "JSON" in refused(parser, b"nope\nnope", "a.jsonl")


def test_markdown_keeps_its_structure(parser: Parser) -> None:
    text = "---\ntitle: 'Guide'\n---\n# One\n\ntext ![plan](data:image/png;base64,AAAA) end\n"
    found = one(parser, text.encode(), "a.md")
    assert found.title == "Guide"
    assert found.text == "# One\n\ntext plan end\n"
    assert found.notes == ("pictures inside the file were left out",)


def test_xlsx(parser: Parser, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sales"
    for row in (
        ["Report 2024"],
        [],
        ["city", "share", "price"],
        ["Cairo", 0.25, 3.5],
        ["Giza", 1, 2],
    ):
        sheet.append(row)
    sheet["B4"].number_format = "0.00%"
    sheet["C4"].number_format = "€#,##0.00"
    book.create_sheet("Hidden").append(["x", "y"])
    book["Hidden"].sheet_state = "hidden"
    book.create_sheet("二").append(["甲", "乙"])
    book.save(tmp_path / "a.xlsx")
    found = one(parser, (tmp_path / "a.xlsx").read_bytes(), "a.xlsx")
    assert found.text.startswith(
        "## Sales\n\nReport 2024\n\n| city | share | price |\n| --- | --- | --- |\n"
        "| Cairo | 25% | €3.5 |\n| Giza | 1 | 2 |\n\n## 二"
    )
    assert [found.text[page : page + 4] for page in found.pages] == ["## S", "## 二"]
    assert found.notes == ("1 hidden sheet was left out",)


def test_pptx(parser: Parser, tmp_path: Path) -> None:
    deck = pptx.Presentation()
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = "first\nsecond"
        slide.notes_slide.notes_text_frame.text = "say it"
        table = slide.shapes.add_table(2, 2, Inches(1), Inches(5), Inches(3), Inches(1)).table
        for index, word in enumerate("abcd"):
            table.cell(index // 2, index % 2).text = word
    deck.save(tmp_path / "a.pptx")
    found = one(parser, (tmp_path / "a.pptx").read_bytes(), "a.pptx")
    page = "- first\n- second\n\n| a | b |\n| --- | --- |\n| c | d |\n\nNotes: say it"
    assert found.text == f"# Slide 1\n\n{page}\n\n# Slide 2\n\n{page}"
    assert found.title == "Slide 1"
    assert found.text[found.pages[1] :].startswith("# Slide 2")


def test_epub(parser: Parser) -> None:
    found = one(parser, bombs.epub("Once upon a time."), "a.epub")
    assert (found.title, found.text, found.pages) == ("Book", "Once upon a time.", (0,))


def test_pdf_rows_words_and_pages(parser: Parser) -> None:
    content = (
        b"BT /F 12 Tf 72 700 Td (Title) Tj 0 -40 Td (left) Tj 200 0 Td (right) Tj ET "
        b"BT /F 12 Tf 72 640 Td [(w) -20 (ord) -600 (next)] TJ T* ET "
        b"BT /F 12 Tf 1 0 0 1 72 626 Tm (\\(a\\)\\101) Tj ET"
    )
    found = one(parser, bombs.pdf(content, pages=2), "a.pdf")
    page = "Title\n\nleft\tright\nword next\n(a)A"
    assert found.text == f"{page}\n\n{page}"
    assert found.pages == (0, len(page) + 2)


def test_type_is_told_by_content(parser: Parser) -> None:
    assert one(parser, bombs.pdf(bombs.pdf_text("words")), "a.docx").media == "pdf"
    assert one(parser, bombs.docx_with(bombs.word("words")), "a.pdf").media == "docx"
    assert one(parser, bombs.xlsx(), "a.zip").media == "xlsx"
    assert one(parser, PAGE.encode(), "a.txt").media == "html"
    assert one(parser, b"plain words", "a.pdf").media == "text"
    assert "old binary" in refused(parser, b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "a.docx")
    locked = b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le") + b"\x00" * 600
    assert "password" in refused(parser, locked, "a.docx")


def test_two_readers_agree() -> None:
    files = [(PAGE.encode(), "a.html"), (bombs.xlsx(), "a.xlsx"), (bombs.slides("x"), "a.pptx")]
    with Parser() as first, Parser() as second:
        for data, name in files:
            assert first.parse(data, name) == second.parse(data, name) == first.parse(data, name)


def test_long_texts_are_refused() -> None:
    with Parser(Limits(text_bytes=1000)) as parser:
        assert "longer" in refused(parser, b"word " * 300, "a.txt")


LANGUAGES = {
    "zh": "数据库是按照数据结构来组织、存储和管理数据的仓库，我们可以在其中查找。",
    "zh-Hant": "資料庫是依照資料結構來組織、儲存和管理資料的倉庫，我們可以在其中查詢。",
    "ja": "データベースは、検索や更新などができるように整理された情報の集まりです。",
    "ko": "데이터베이스는 여러 사람이 공유하여 사용할 목적으로 통합하여 관리되는 데이터의 집합입니다.",
    "ru": "База данных представляет собой совокупность самостоятельных материалов.",
    "ar": "قاعدة البيانات هي مجموعة من المعلومات المنظمة التي يمكن الوصول إليها.",
    "pl": "Zażółć gęślą jaźń, zbiór informacji uporządkowanych według reguł świata.",
    "tr": "Veritabanı düzenli bilgiler topluluğudur, kolayca erişilebilir ve değiştirilebilir.",
    "fr": "Une base de données permet de retrouver des données, été comme hiver, à l’œuvre.",
}
ENCODED = [
    ("zh", "gb18030"), ("zh", "utf-16-le"), ("zh", "utf-32-be"), ("zh", "hz"), ("zh-Hant", "big5"),
    ("zh-Hant", "utf-16-be"), ("ja", "cp932"), ("ja", "euc_jp"), ("ja", "iso2022_jp"),
    ("ko", "cp949"), ("ko", "utf-16"), ("ru", "cp1251"), ("ru", "koi8_r"), ("ru", "iso8859_5"),
    ("ru", "cp866"), ("ru", "utf-16-le"), ("ar", "cp1256"), ("ar", "iso8859_6"),
    ("ar", "utf-16-be"), ("pl", "iso8859_2"), ("pl", "cp1250"), ("tr", "cp1254"), ("fr", "cp1252"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "codec"), ENCODED)
@pytest.mark.parametrize("times", [1, 400])
def test_encodings(parser: Parser, language: str, codec: str, times: int) -> None:
    text = "\n".join([LANGUAGES[language].encode(codec, "ignore").decode(codec)] * times)
    assert one(parser, text.encode(codec), "a.txt").text == text


def test_a_damaged_character_costs_only_itself(parser: Parser) -> None:
    data = LANGUAGES["zh"].encode() * 5
    found = one(parser, data[:100] + b"\xff" + data[102:], "a.txt")
    assert "replaced" in found.notes[0]
    assert "数据库" in found.text


def test_rtf(parser: Parser) -> None:
    data = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset134 SimSun;}}"
        rb"{\info{\title hidden}}\f0 Caf\'e9 \u1575?\u1604? {\f1\'ca\'fd\'be\'dd}\par second\tab x}"
    )
    assert one(parser, data, "a.rtf").text == "Café ال 数据\nsecond\tx"


def test_mail(parser: Parser) -> None:
    data = (
        b"Subject: =?utf-8?b?5pWw5o2u?=\nFrom: a@example.org\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html; charset=utf-8\n"
        b"\n<p>Hello <b>you</b></p><script>x</script>\n--x\nContent-Disposition: attachment; "
        b"filename=plan.pdf\nContent-Type: application/pdf\n\nxx\n--x--\n"
    )
    found = one(parser, data, "a.eml")
    assert found.text == "Subject: 数据\nFrom: a@example.org\n\nHello you"
    assert found.title == "数据"
    assert found.notes == ("1 attachment was not read: plan.pdf",)


def test_open_document(parser: Parser) -> None:
    names = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (("office", "office"), ("text", "text"), ("table", "table"))
    )
    body = (
        '<office:text><text:h text:outline-level="2">Head</text:h><text:p>some<text:s/>words</text:p>'
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list><table:table>"
        "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
        "<text:p>b</text:p></table:table-cell></table:table-row></table:table></office:text>"
    )
    content = f"<office:document-content{names}><office:body>{body}</office:body></office:document-content>"
    kind = b"application/vnd.oasis.opendocument.text"
    data = bombs.zipped([("mimetype", kind), ("content.xml", content.encode())])
    want = "## Head\n\nsome words\n\n- one\n\n|  |  |\n| --- | --- |\n| a | b |"
    assert one(parser, data, "a.odt").text == want


@needs_data
def test_sample_documents(parser: Parser) -> None:
    word = one(parser, *sample(MARKITDOWN / "test.docx"))
    assert "# Introduction" in word.text
    assert "| 13 | 14 | 49e168b7-d2ae-407f-a055-2167576f39a1 | 15 |" in word.text
    assert "base64" not in word.text
    deck = one(parser, *sample(MARKITDOWN / "test.pptx"))
    assert len(deck.pages) == 6
    assert "| 2000 | 2000 |" in deck.text
    assert one(parser, *sample(MARKITDOWN / "test_mskanji.csv")).text.endswith("名古屋 |")
    blog = one(parser, *sample(MARKITDOWN / "test_blog.html"))
    assert blog.text.startswith("# Does Model and Inference Parameter Matter")
    equations = one(parser, *sample(MARKITDOWN / "equations.docx"))
    assert "10^(-6)" in equations.text
    scan = sample(MARKITDOWN / "MEDRPT-2024-PAT-3847_medical_report_scan.pdf")
    assert "OCR" in refused(parser, *scan)
    invoice = one(parser, *sample(MARKITDOWN / "SPARSE-2024-INV-1234_borderless_table.pdf"))
    assert "| SKU-9201 |  | 780 | 778 |  | OK |" in invoice.text


@needs_data
def test_sample_pdfs(parser: Parser) -> None:
    assert "password" in refused(parser, *sample(PYPDF / "libreoffice-writer-password.pdf"))
    many = one(parser, *sample(PYPDF / "multilang.pdf")).text
    assert "مرحبا بالعالم" in many
    assert "你好世界" in many
    assert "misfits" in one(parser, *sample(PYPDF / "crazyones.pdf")).text
    assert one(parser, *sample(PYPDF / "form_evince.pdf")).text.endswith("foo: bar")


@needs_data
def test_every_sample_is_read_or_refused(parser: Parser) -> None:
    for folder in DATA.glob("docs_*"):
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            for found in parser.parse(*sample(path)):
                if isinstance(found, Refused):
                    assert "(" not in found.reason or "damaged" not in found.reason, (path, found)
                else:
                    assert "base64," not in found.text


ARABIC = """<html dir=rtl><body style="font-family:'DejaVu Sans'"><h1>تقرير سنوي عن الطاقة</h1>
<p>بلغ الإنتاج 1250 ميغاواط في عام 2023 وفقاً لتقرير IRENA الأخير (رقم 12).</p></body></html>"""
CHINESE = "<html><body><p>人工智能正在改变世界，2023年的产值。</p></body></html>"


@pytest.mark.browser
def test_pdf_of_a_browser_in_arabic_and_chinese(parser: Parser) -> None:
    from playwright.sync_api import sync_playwright

    from tests.support.browser import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        texts = []
        for page in (ARABIC, CHINESE):
            tab = browser.new_page()
            tab.set_content(page)
            texts.append(one(parser, tab.pdf(), "a.pdf").text)
        browser.close()
    assert texts[0].startswith("تقرير سنوي عن الطاقة")
    assert "بلغ الإنتاج 1250 ميغاواط في عام 2023 وفقاً لتقرير IRENA الأخير (رقم 12)." in texts[0]
    if "CJK" in subprocess.run(["fc-list"], capture_output=True, text=True).stdout:
        assert texts[1] == "人工智能正在改变世界，2023年的产值。"
