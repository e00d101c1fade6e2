"""Writes small PDF files for tests: lines of text in a size and weight, on pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    size: int = 11
    bold: bool = False
    gap: int = 0
    """Points above the line, beside its own height."""


def pdf(*pages: Sequence[Line], title: str = "") -> bytes:
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    fonts = [
        add(f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode())
        for name in ("Helvetica", "Helvetica-Bold")
    ]
    parent = len(objects) + 2 * len(pages) + 1
    numbers = []
    for page in pages:
        content = add(_stream(_drawn(page)))
        known = f"/MediaBox [0 0 595 842] /Resources << /Font << /F0 {fonts[0]} 0 R /F1 {fonts[1]} 0 R >> >>"
        numbers.append(add(f"<< /Type /Page /Parent {parent} 0 R {known} /Contents {content} 0 R >>".encode()))
    kids = " ".join(f"{number} 0 R" for number in numbers)
    add(f"<< /Type /Pages /Kids [{kids}] /Count {len(numbers)} >>".encode())
    root = add(f"<< /Type /Catalog /Pages {parent} 0 R >>".encode())
    info = add(f"<< /Title ({title}) >>".encode())
    return _file(objects, root, info)


def _drawn(page: Sequence[Line]) -> bytes:
    drawn, height = [], 800
    for line in page:
        height -= line.size + 4 + line.gap
        text = line.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        drawn.append(f"BT /F{int(line.bold)} {line.size} Tf 60 {height} Td ({text}) Tj ET")
    return "\n".join(drawn).encode("cp1252")


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _file(objects: Sequence[bytes], root: int, info: int) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return out + trailer % (len(objects) + 1, root, info, start)
