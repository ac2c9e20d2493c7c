"""Large XML files read record by record, each element with the line it begins on."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl, IncrementalParser

import defusedxml.sax
from defusedxml.common import DefusedXmlException

from services.roster.imports.findings import Findings

CHUNK = 1 << 16
DEEPEST = 40


@dataclass(slots=True)
class Element:
    """One XML element without its namespace."""

    tag: str
    line: int
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def all(self, path: str) -> list["Element"]:
        """Elements at a path such as `Name/FirstName`, in document order."""
        found = [self]
        for tag in path.split("/"):
            found = [child for element in found for child in element.children if child.tag == tag]
        return found

    def first(self, path: str) -> "Element | None":
        return next(iter(self.all(path)), None)

    def value(self, path: str) -> str:
        """Text at a path, stripped; "" if there is no such element."""
        element = self.first(path)
        return "" if element is None else element.text.strip()

    def line_of(self, path: str) -> int:
        element = self.first(path)
        return self.line if element is None else element.line


class _TooDeep(Exception):
    """The elements of the file are nested deeper than any record is."""


class _Records(ContentHandler):
    """Builds each child of the root as a tree, and hands it over once it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.root: str | None = None
        self.ready: deque[Element] = deque()
        self._open: list[Element] = []
        self._line: Callable[[], int | None] = lambda: None

    def read_by(self, parser: IncrementalParser) -> None:
        # An incremental parser never calls setDocumentLocator; it is its own locator.
        self._line = parser.getLineNumber  # type: ignore[attr-defined]

    def startElementNS(  # noqa: N802
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        if self.root is None:
            self.root = name[1]
            return
        if len(self._open) >= DEEPEST:
            raise _TooDeep
        element = Element(
            name[1], self._line() or 0, {local: attrs[(space, local)] for space, local in attrs.getNames()}
        )
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def characters(self, content: str) -> None:
        if self._open:
            self._open[-1].text += content

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        if self._open:
            element = self._open.pop()
            if not self._open:
                self.ready.append(element)


def read_records(
    file: str, stream: BinaryIO, findings: Findings, *, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[Element]:
    """
    The children of the root element, one at a time.

    Broken XML, and XML that declares entities or a document type (which a roster never needs and
    attacks do), is reported as an error and ends the reading.
    """
    records, parser = _reading()
    try:
        while chunk := stream.read(CHUNK):
            on_read(len(chunk))
            parser.feed(chunk)
            while records.ready:
                yield records.ready.popleft()
        parser.close()
        while records.ready:
            yield records.ready.popleft()
    except SAXParseException as error:
        findings.error(file, error.getLineNumber(), "", error.getMessage(), "well-formed XML")
    except DefusedXmlException as error:
        findings.error(file, None, "", type(error).__name__, "XML without a document type and without entities")
    except _TooDeep:
        findings.error(file, None, "", f"more than {DEEPEST} levels", "elements of an Ed-Fi interchange")


def _reading() -> tuple[_Records, IncrementalParser]:
    records = _Records()
    parser: IncrementalParser = defusedxml.sax.make_parser()
    parser.forbid_dtd = True  # type: ignore[attr-defined]
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(records)
    records.read_by(parser)
    return records, parser


def root_of(stream: BinaryIO) -> str | None:
    """Name of the root element, without its namespace; None if the file does not begin as XML."""
    records, parser = _reading()
    try:
        while records.root is None and (chunk := stream.read(4096)):
            parser.feed(chunk)
    except (SAXParseException, DefusedXmlException, _TooDeep):
        pass
    return records.root
