"""Invented names. Family names are put together from syllables, so that they belong to nobody in particular."""

import re
import unicodedata
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = {
    "en": _words(
        "Ada Alder Asa Aster Beatrix Blythe Bram Briar Calder Celeste Clover Corin Dahlia Delphine Edda Ellis Ember "
        "Faye Finch Flora Garnet Greer Hollis Imogen Indigo Ione Juniper Kit Lark Linden Lowell Maren Marlow Nell "
        "Odell Oriel Pascoe Perrin Posy Quill Rowan Sable Sorrel Tamsin Thea Tobin Una Verity Wilder Wren"
    ),
    "es": _words(
        "Abril Adalia Alba Amaya Amparo Araceli Aurelio Azucena Belén Camila Candela Cielo Dalia Elián Eloísa Estrella "
        "Fermín Florencio Gael Hilario Inés Itzel Jacinta Jazmín Joaquín Leandro Lisandro Lucero Luz Maite Marisol "
        "Maximino Milagros Nereida Nieves Octavio Paloma Perla Quetzal Renata Rocío Sabino Salomé Socorro Tadeo Úrsula "
        "Valentín Violeta Ximena Zoraida"
    ),
}
_FAMILY_PARTS = {
    "en": (
        _words(
            "Alder Ash Bar Birch Bram Brook Cald Copper Dun Ember Fair Fen Glen Hart Haw Hazel Kest Lark Linden Marl "
            "Mead Moss Oak Pem Quill Raven Rush Sedge Stone Thistle Under Wex Whin Willow"
        ),
        _words("bourne combe croft dell field ford garth ham holt low mere more shaw stead thwaite wick worth"),
    ),
    "es": (
        _words(
            "Agua Alta Arbo Camino Campo Cielo Clara Flor Fuente Luna Mar Monte Nube Pino Piedra Playa Puente Rio Roca "
            "Rosa Sol Tierra Torre Valle Viento"
        ),
        _words(
            "bella blanca brava clara dorada fina fresca grande hermosa libre llana mayor nueva quieta serena verde"
        ),
    ),
}


def given_name(rng: Random, language: str) -> str:
    return rng.choice(_GIVEN[language])


def family_name(rng: Random, language: str) -> str:
    beginnings, endings = _FAMILY_PARTS[language]
    return rng.choice(beginnings) + rng.choice(endings)


def mailbox_name(given: str, family: str, key: str) -> str:
    """The part of an email address before the @: the name in ASCII, made unique by a key."""
    letters = unicodedata.normalize("NFKD", f"{given}.{family}.{key}").encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.-]", "", letters.lower())
