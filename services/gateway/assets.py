"""Files served as they are: read once, compressed ones sent compressed."""

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_TEXT = ("text/", "image/svg")


@dataclass(frozen=True)
class Asset:
    """One file as it goes out."""

    body: bytes
    content_type: str
    is_gzipped: bool
    etag: str

    @classmethod
    def read(cls, path: Path) -> "Asset":
        """A name ending in .gz is a file stored compressed; its type is that of the name before."""
        is_gzipped = path.suffix == ".gz"
        body = path.read_bytes()
        content_type = _TYPES[path.with_suffix("").suffix if is_gzipped else path.suffix]
        return cls(body, content_type, is_gzipped, sha256(body).hexdigest()[:32])

    def response(self, request: web.Request, *, headers: dict[str, str]) -> web.Response:
        """The file, or 304 for a client that has it; unpacked for one that cannot."""
        sent = {"ETag": f'"{self.etag}"', "Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding", **headers}
        if any(tag.value in (self.etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=sent)
        body = self.body
        if self.is_gzipped and "gzip" in request.headers.get("Accept-Encoding", ""):
            sent["Content-Encoding"] = "gzip"
        elif self.is_gzipped:
            body = gzip.decompress(body)
        charset = "utf-8" if self.content_type.startswith(_TEXT) else None
        return web.Response(body=body, headers=sent, content_type=self.content_type, charset=charset)
