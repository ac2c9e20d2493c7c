"""Names, addresses and numbers of the sample's people, to be looked for where they must not be."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")
_NUMBER = re.compile(r"(?<!\d)1?\d{10}(?!\d)")
# Sealed data and ids: random text, in which short names turn up by chance.
_RANDOM = re.compile(r"gAAAAA[\w-]{60,}={0,2}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


class Canaries:
    """Finds personal data in any text, however it is escaped: as JSON, percent-encoded, in another case."""

    def __init__(self, *, names: Iterable[str], addresses: Iterable[str], numbers: Iterable[str]) -> None:
        self._names = {word.casefold() for name in names for word in _WORD.findall(name)}
        self._addresses = {address.casefold() for address in addresses if address}
        self._numbers = {_digits(number) for number in numbers if number}

    def found_in(self, text: str | bytes) -> set[str]:
        """Whatever of it is in a text."""
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        if "%" in text:
            text += unquote_plus(text)
        text = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), _RANDOM.sub(" ", text)).casefold()
        return (
            (self._names & set(_WORD.findall(text)))
            | (self._addresses & set(_ADDRESS.findall(text)))
            | (self._numbers & {_digits(each) for each in _NUMBER.findall(text)})
        )


def _digits(number: str) -> str:
    """The last ten digits, which is how a North American number is known with or without its country code."""
    return re.sub(r"\D", "", number)[-10:]
