"""Documents that attack their reader are stopped by a sentence; nothing is written or reached."""

import contextlib
import io
import pickle
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from lxml import etree

from rag.parsing.limits import Limits
from rag.parsing.process import Parsed, Parser, Refused
from tests.support import bombs
from tests.support.depth import DEEP

GIB = 1 << 30


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as found:
        found.parse(b"warm", "a.txt")
        yield found


class Outcome(NamedTuple):
    results: list[Parsed | Refused]
    seconds: float
    peak: int
    """Largest resident memory of one reading process, in bytes."""


def attack(parser: Parser, data: bytes, name: str) -> Outcome:
    peaks = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(parser.pid).children(recursive=True):
                    peaks[0] = max(peaks[0], child.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    try:
        results = parser.parse(data, name)
        return Outcome(results, time.monotonic() - began, peaks[0])
    finally:
        done.set()
        watcher.join()


def stopped(outcome: Outcome) -> str:
    """The one sentence that stops an attack in time and within its memory."""
    assert outcome.seconds <= 20
    assert outcome.peak <= GIB
    refused = [each for each in outcome.results if isinstance(each, Refused)]
    assert len(refused) == len(outcome.results) > 0, outcome.results
    for each in refused:
        assert each.reason.endswith("."), each.reason
        assert "Traceback" not in each.reason
    return refused[0].reason


def bounded(outcome: Outcome) -> None:
    """Read or refused, but in time and within the memory."""
    assert outcome.seconds <= 20
    assert outcome.peak <= GIB
    assert outcome.results


def wide_json() -> bytes:
    return b"[" + b"[]," * (40 << 20) + b"1]"


REFUSED: dict[str, Callable[[], tuple[bytes, str, str]]] = {
    "flat zip": lambda: (bombs.flat_zip(900 if DEEP else 100), "a.zip", "times its size"),
    "lying zip": lambda: (bombs.lying_zip(), "a.zip", "damaged"),
    "overlapping zip": lambda: (bombs.overlapping_zip(), "a.zip", ""),
    "endless zip": lambda: (bombs.endless_zip(100), "a.zip", "deep"),
    "nested zip": lambda: (bombs.nested_zip(4, 3), "a.zip", "deep"),
    "docx bomb": lambda: (
        bombs.docx_with(bombs.word("x"), [("word/x.xml", b" " * (60 << 20))]), "a.docx", "times"),
    "xlsx bomb": lambda: (
        bombs.with_part(bombs.xlsx(), "xl/media/x.bin", b" " * (60 << 20)), "a.xlsx", "times"),
    "docx laughs": lambda: (
        bombs.docx_with(bombs.word("&a9;", bombs.LAUGHS)), "a.docx", "entities"),
    "xlsx laughs": lambda: (
        bombs.changed_part(bombs.xlsx(), "xl/workbook.xml", b"<workbook",
                           bombs.LAUGHS.encode() + b"<workbook"), "a.xlsx", "entities"),
    "pptx laughs": lambda: (
        bombs.changed_part(bombs.slides("x"), "ppt/presentation.xml", b"<p:presentation",
                           bombs.LAUGHS.encode() + b"<p:presentation"), "a.pptx", "entities"),
    "xml laughs": lambda: (
        b'<?xml version="1.0"?>' + bombs.LAUGHS.encode() + b"<z>&a9;</z>", "a.xml", "entities"),
    "epub laughs": lambda: (
        bombs.epub("x", package_doctype=bombs.LAUGHS), "a.epub", "entities"),
    "flate pdf": lambda: (bombs.flate_pdf(3, 700 if DEEP else 120), "a.pdf", ""),
    "lzw pdf": lambda: (bombs.lzw_pdf(), "a.pdf", ""),
    "50,000 pages": lambda: (bombs.pdf(b"", pages=50_000), "a.pdf", "50,000 pages"),
    "one row": lambda: (b"a,b\n" + b"x" * (100 << 20), "a.csv", "rows"),
    "deep json": lambda: (b"[" * 500_000, "a.json", ""),
    "pickle as pdf": lambda: (bombs.payload("/tmp/x"), "a.pdf", "pickle"),
    "old pickle as docx": lambda: (bombs.payload("/tmp/x", 0), "a.docx", "pickle"),
    "empty": lambda: (b"", "a.pdf", "empty"),
    "blank": lambda: (b" \n\x00\n", "a.txt", "empty"),
    "half a docx": lambda: (bombs.docx_with(bombs.word("x"))[:300], "a.docx", "damaged"),
    "half a pdf": lambda: (b"%PDF-1.7\n1 0 obj<</Type/Cat", "a.pdf", ""),
    "noise": lambda: (bytes(range(256)) * 50, "a.docx", ""),
    "png as pdf": lambda: (bombs.png(10, 10), "a.pdf", "picture"),
    "picture flood as a file": lambda: (bombs.png(60_000, 60_000), "a.png", "picture"),
    "deflated words in gzip": lambda: (zlib.compress(b"x" * 999, wbits=31), "a.txt", "gzip"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_attack_is_refused(parser: Parser, kind: str) -> None:
    data, name, words = REFUSED[kind]()
    assert words in stopped(attack(parser, data, name))


BOUNDED: dict[str, Callable[[], tuple[bytes, str]]] = {
    "wide json": lambda: (wide_json(), "a.json"),
    "operators": lambda: (bombs.many_operators_pdf(), "a.pdf"),
    "deep html": lambda: (b"<html>" + b"<div><ul><li>" * 100_000 + b"x", "a.html"),
    "inline html": lambda: (b"<html><p>" + b"<b>" * 200_000 + b"x", "a.html"),
    "wide table": lambda: (
        b"<table>" + b"<tr><td rowspan=99999 colspan=99999>x</td><td>y</td></tr>" * 50_000, "a.html"),
    "broken parens": lambda: (bombs.pdf(b"BT /F 12 Tf " + b"(" * 3_000_000), "a.pdf"),
    "inline image starts": lambda: (bombs.pdf(b"BI ID " * 300_000), "a.pdf"),
    "front matter": lambda: (b"---\n" + b"title:\t \t" * 400_000, "a.md"),
    "open brackets": lambda: (b"![" * 1_000_000 + b"](data:", "a.md"),
    "declaration": lambda: (b"<?xml " + b"encoding " * 900_000, "a.html"),
    "foreign bytes": lambda: (bytes(range(128, 256)) * 200_000, "a.txt"),
    "sheet": lambda: (
        bombs.changed_part(bombs.xlsx(), "xl/worksheets/sheet1.xml", b'r="A1"', b'r="XFD1048576"'),
        "a.xlsx"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOUNDED if DEEP else list(BOUNDED)[2:])
def test_attack_is_bounded(kind: str) -> None:
    with Parser(Limits(seconds=18 if DEEP else 3)) as parser:
        bounded(attack(parser, *BOUNDED[kind]()))


def test_without_the_ratio_the_bomb_unpacks() -> None:
    with Parser(Limits(ratio=1 << 30)) as unguarded:
        (found,) = unguarded.parse(bombs.flat_zip(30)[:], "a.zip")
    assert isinstance(found, Refused)
    assert "empty" in found.reason  # it was unpacked: 30 MiB of spaces
    with Parser() as guarded:
        (found,) = guarded.parse(bombs.flat_zip(30), "a.zip")
    assert "times its size" in found.reason  # type: ignore[union-attr]


def slow_pdf(pages: int = 3000) -> bytes:
    return bombs.pdf(b"BT /F 9 Tf (word) Tj ET\n" * 20_000, pages=pages)


def test_what_takes_too_long_is_ended_while_others_are_read() -> None:
    with Parser(Limits(seconds=4)) as parser, ThreadPoolExecutor(1) as other:
        parser.parse(b"warm", "a.txt")
        running = other.submit(attack, parser, slow_pdf(), "slow.pdf")
        quick = []
        while not running.done():
            began = time.monotonic()
            (found,) = parser.parse(b"# Title\n\nwords", "a.md")
            assert isinstance(found, Parsed)
            quick.append(time.monotonic() - began)
            time.sleep(0.05)
        outcome = running.result()
        assert outcome.seconds < 8
        assert "longer than 4 seconds" in stopped(outcome)
        assert len(quick) > 5
        assert sorted(quick)[len(quick) // 2] < 1
        (control,) = parser.parse(slow_pdf(2), "quick.pdf")
        assert isinstance(control, Parsed)


def test_what_takes_too_much_memory_is_ended() -> None:
    data = b"[" + b"[]," * (2 << 20) + b"1]"
    with Parser(Limits(memory_bytes=160 << 20)) as parser:
        assert "memory" in stopped(attack(parser, data, "a.json"))
        assert isinstance(parser.parse(b"still here", "a.txt")[0], Parsed)
    with Parser() as roomy:
        assert isinstance(roomy.parse(data, "a.json")[0], Parsed)


def test_slow_members_do_not_hold_an_archive_for_ever() -> None:
    members = [(f"{n}.pdf", slow_pdf(400)) for n in range(6)]
    data = bombs.zipped([("first.txt", b"words"), *members])
    began = time.monotonic()
    with Parser(Limits(seconds=1, stopped_seconds=2, ratio=1 << 20)) as parser:
        found = parser.parse(data, "b.zip")
    assert time.monotonic() - began < 15
    assert isinstance(found[0], Parsed)
    assert "others took too long" in found[-1].reason  # type: ignore[union-attr]
    assert len(found) < 7


def test_an_archive_has_an_end() -> None:
    data = bombs.zipped([(f"{n}.pdf", slow_pdf(8)) for n in range(60)])
    with Parser(Limits(archive_seconds=2, ratio=1 << 20)) as parser:
        found = parser.parse(data, "b.zip")
    assert isinstance(found[0], Parsed)
    assert len(found) < 60
    assert "took too long" in found[-1].reason  # type: ignore[union-attr]


def test_archives_that_hold_nothing_are_left() -> None:
    inner = bombs.zipped([(f"{n}.png", bombs.png(9, 9)) for n in range(60)])
    data = bombs.zipped([(f"{n}.zip", inner) for n in range(500)])
    with Parser(Limits(stopped_seconds=1)) as parser:
        found = parser.parse(data, "b.zip")
    assert "took too long" in found[-1].reason  # type: ignore[union-attr]
    pictures = bombs.zipped([*((f"{n}.png", bombs.png(9, 9)) for n in range(300)), ("a.txt", b"x")])
    with Parser(Limits(stopped_seconds=0.01)) as parser:  # type: ignore[arg-type]
        assert isinstance(parser.parse(pictures, "b.zip")[-1], Parsed)


class Canary:
    """A secret file, and a listener that must never be reached."""

    def __init__(self, folder: Path) -> None:
        self.secret = "canary-5b1f0c"
        self.path = folder / "secret.txt"
        self.path.write_text(self.secret)
        self.path.chmod(0o644)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/x"

    def reached(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    found = Canary(tmp_path)
    yield found
    found.listener.close()


def external(address: str) -> list[tuple[bytes, str]]:
    """Documents whose XML wants `address`, in the ways that parsers have followed."""
    entity = f'<!DOCTYPE z [<!ENTITY x SYSTEM "{address}">]>'
    parameter = f'<!DOCTYPE z [<!ENTITY % p SYSTEM "{address}"> %p;]>'
    outside = f'<!DOCTYPE z SYSTEM "{address}">'
    files: list[tuple[bytes, str]] = []
    for doctype in (entity, parameter, outside):
        text = "&x;" if doctype is entity else "x"
        marked = doctype.encode()
        files += [
            (bombs.docx_with(bombs.word(text, doctype)), "a.docx"),
            (
                bombs.changed_part(
                    bombs.xlsx(), "xl/workbook.xml", b"<workbook", marked + b"<workbook"
                ),
                "a.xlsx",
            ),
            (
                bombs.changed_part(
                    bombs.slides("x"), "ppt/slides/slide1.xml", b"<p:sld ", marked + b"<p:sld "
                ),
                "a.pptx",
            ),
            (f"{doctype}<html><body><p>a {text}</p></body></html>".encode(), "a.html"),
            (f"<?xml version='1.0'?>{doctype}<z>{text}</z>".encode(), "a.xml"),
            (
                f"<?xml version='1.0' encoding='utf-16'?>{doctype}<z>{text}</z>".encode("utf-16"),
                "a.xml",
            ),
            (bombs.epub(text, doctype=doctype), "a.epub"),
            (bombs.epub("x", package_doctype=doctype), "a.epub"),
        ]
    images = f"<html><link rel=stylesheet href='{address}'><img src='{address}'><p>hello</p>"
    include = f'<z xmlns:xi="http://www.w3.org/2001/XInclude">a<xi:include href="{address}"/></z>'
    files += [
        (images.encode(), "b.html"),
        (f"<?xml version='1.0'?>{include}".encode(), "b.xml"),
        (f"![x]({address})\n\n<img src='{address}'>".encode(), "a.md"),
        (bombs.pdf(bombs.pdf_text("hi"), extra=f"/ToUnicode({address})".encode()), "a.pdf"),
    ]
    return files


def test_nothing_outside_is_read_or_reached(parser: Parser, canary: Canary) -> None:
    for address in (canary.path.as_uri(), str(canary.path), canary.url):
        for data, name in external(address):
            results = parser.parse(data, name)
            assert canary.secret not in repr(results), name
    assert not canary.reached()


def test_control_a_careless_reader_meets_the_canary(canary: Canary) -> None:
    xml = f'<!DOCTYPE z [<!ENTITY x SYSTEM "{canary.path.as_uri()}">]><z>&x;</z>'.encode()
    careless = etree.XMLParser(resolve_entities=True, no_network=False, load_dtd=True)
    assert canary.secret in etree.fromstring(xml, careless).text
    with contextlib.suppress(OSError):
        urllib.request.urlopen(canary.url, timeout=0.1)
    assert canary.reached()


def test_pickles_are_never_loaded(parser: Parser, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for number in range(6):
        target = tmp_path / f"{number}.made"
        data = bombs.payload(str(target), number)
        for name in ("a.pdf", "a.docx", "a.xlsx", "a.json", "a.pkl", "a"):
            assert isinstance(parser.parse(data, name)[0], Refused)
        inside = bombs.docx_with(bombs.word("words"), [("word/data.pkl", data)])
        assert isinstance(parser.parse(inside, "a.docx")[0], Parsed)
        assert not target.exists()
        pickle.loads(data)  # the control
        assert target.exists()


@pytest.mark.parametrize("name", ["/../../../../tmp/x", "/tmp/canary.pickle.gz", "/Identity-H#00x"])
def test_character_maps_are_not_paths(parser: Parser, tmp_path: Path, name: str) -> None:
    """pdfminer.six opened the file that a font's /Encoding named, and unpickled it."""
    data = bombs.pdf(bombs.pdf_text("hi"), extra=f"/Encoding{name}".encode())
    type0 = data.replace(b"/Subtype/Type1", b"/Subtype/Type0")
    for each in (data, type0):
        assert parser.parse(each, "a.pdf")
    assert list(tmp_path.iterdir()) == []


def test_names_in_archives_lead_nowhere(parser: Parser, tmp_path: Path) -> None:
    names = bombs.traversal_names()
    assert len(names) > 900
    names = names if DEEP else names[::10]
    odd = ["a\x00b.txt", "n" * 4096 + ".txt", "\u202etxt.exe", "a\nb.txt"]
    data = bombs.zipped([(zipfile.ZipInfo(name), b"words") for name in [*names, *odd]])
    data = data.replace(b"a_b.txt", b"a\x00b.txt")
    before = sorted(map(str, tmp_path.rglob("*")))
    found = parser.parse(data, "b.zip")
    assert sorted(map(str, tmp_path.rglob("*"))) == before
    assert len(found) == len(names) + len(odd)
    for each in found:
        inner = each.name.removeprefix("b.zip/")
        assert ".." not in inner.split("/")
        assert not inner.startswith(("/", "\\"))
        assert len(each.name) < 1100
        assert "\x00" not in each.name
    parsed = [each.name for each in found if isinstance(each, Parsed)]
    assert not [name for name in parsed if "passwd" in name], parsed[:5]


def test_control_the_names_are_dangerous(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    root.mkdir(parents=True)
    leading = [name for name in bombs.traversal_names() if name.startswith("../")]
    assert any(not (root / name).resolve().is_relative_to(root) for name in leading)


def test_links_in_archives_are_refused(parser: Parser) -> None:
    link = zipfile.ZipInfo("passwd.txt")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    found = parser.parse(bombs.zipped([(link, b"/etc/passwd"), ("a.txt", b"words")]), "b.zip")
    assert isinstance(found[0], Refused)
    assert "link" in found[0].reason
    assert isinstance(found[1], Parsed)


def test_pictures_are_not_decoded(parser: Parser) -> None:
    flood = bombs.png(60_000, 60_000)
    deck = bombs.with_part(bombs.slides("Title"), "ppt/media/x.png", flood)
    page = bombs.pdf(
        b"BT /F 9 Tf (words) Tj ET BI /W 60000 /H 60000 /BPC 8 /CS /RGB ID xx EI BT (more) Tj ET"
    )
    document = bombs.docx_with(bombs.word("words"), [("word/media/x.png", flood)])
    for data, name in ((deck, "a.pptx"), (page, "a.pdf"), (document, "a.docx")):
        outcome = attack(parser, data, name)
        assert isinstance(outcome.results[0], Parsed), outcome.results
        assert outcome.peak < 300 << 20
        assert outcome.seconds < 5


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with Parser(Limits(file_bytes=1000)) as parser:
        (found,) = parser.parse(b"x" * 1001, "a.txt")
        assert isinstance(found, Refused)
        assert "read at most" in found.reason
        assert parser.pid is None


CONFINED = """
import sys, os, resource
sys.path[:0] = sys.argv[1:2]
from rag.parsing import confine
import socket, subprocess, pickle
guarded = sys.argv[2] == "guarded"
if guarded:
    print("network", confine.leave_network())
    confine.refuse_events()
    confine.allow_forks(False)
    confine.bound(1 << 30)
for name, act in {
    "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "write": lambda: open(sys.argv[3], "w"),
    "socket": lambda: socket.socket(),
    "process": lambda: subprocess.Popen(["/bin/true"]),
    "fork": lambda: os.fork() or os._exit(0),
    "unpickle": lambda: pickle.loads(pickle.dumps(os.getpid)),
    "remove": lambda: os.remove(sys.argv[3]),
}.items():
    try:
        act()
        print(name, "done")
    except OSError as error:
        print(name, "refused")
"""


def test_the_reading_process_can_do_nothing_else(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]

    def acts(mode: str) -> dict[str, str]:
        command = [sys.executable, "-c", CONFINED, str(root), mode, str(tmp_path / mode)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return dict(line.split() for line in out.splitlines())

    guarded = acts("guarded")
    network = guarded.pop("network")
    assert set(guarded.values()) == {"refused"}, guarded
    assert network in ("True", "False")
    assert set(acts("free").values()) == {"done"}
    assert not (tmp_path / "guarded").exists()


def test_the_reader_ends_with_its_owner(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    code = (
        f"import sys,os; sys.path.insert(0,{str(root)!r})\n"
        "from rag.parsing.process import Parser\n"
        "p=Parser(); p.parse(b'x','a.txt'); print(p.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(owner.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_reader_is_started_again(parser: Parser) -> None:
    with Parser() as own:
        own.parse(b"x", "a.txt")
        psutil.Process(own.pid).kill()
        time.sleep(0.1)
        assert isinstance(own.parse(b"words", "a.txt")[0], Parsed)


def test_archives_in_archives_up_to_two(parser: Parser) -> None:
    inner = bombs.zipped([("dir/a.txt", b"words")])
    found = parser.parse(bombs.zipped([("inner.zip", inner), ("b.md", b"# T")]), "bundle.zip")
    assert [each.name for each in found] == ["bundle.zip/inner.zip/dir/a.txt", "bundle.zip/b.md"]
    assert all(isinstance(each, Parsed) for each in found)


def test_a_locked_member_is_refused(parser: Parser) -> None:
    out = io.BytesIO(bombs.zipped([("a.txt", b"words"), ("b.txt", b"words")]))
    data = bytearray(out.getvalue())
    place = data.index(b"PK\x01\x02") + 8
    data[place] |= 1
    found = parser.parse(bytes(data), "b.zip")
    assert "password" in found[0].reason  # type: ignore[union-attr]
    assert isinstance(found[1], Parsed)
