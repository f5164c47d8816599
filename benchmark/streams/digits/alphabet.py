"""Which characters there are, what a prompt calls them, and which typefaces draw them."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

import matplotlib

PRETRAIN_FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralBolIta",
    "cmr10",
    "cmti10",
    "cmtt10",
)
HELD_OUT_FACES = ("DejaVuSansMono-Oblique", "DejaVuSerif", "STIXGeneralItalic", "cmb10", "cmss10")
"""Typefaces that pre-training never sees: a mono, an oblique, a serif, an italic, a bold, a sans."""

# EMNIST's By_Merge (Cohen et al. 2017, arXiv 1702.05373, section II): the letters whose capital and
# small forms it counts as one class.
MERGED_LETTERS = "CIJKLMOPSUVWXYZ"

SYMBOL_NAMES = {
    "!": "exclamation mark",
    '"': "quotation mark",
    "#": "hash sign",
    "$": "dollar sign",
    "%": "percent sign",
    "&": "ampersand",
    "(": "left parenthesis",
    ")": "right parenthesis",
    "*": "asterisk",
    "+": "plus sign",
    ",": "comma",
    "-": "minus sign",
    ".": "full stop",
    "/": "slash",
    ":": "colon",
    ";": "semicolon",
    "<": "less than sign",
    "=": "equals sign",
    ">": "greater than sign",
    "?": "question mark",
    "@": "at sign",
    "[": "left bracket",
    "\\": "backslash",
    "]": "right bracket",
    "^": "caret",
    "{": "left brace",
    "}": "right brace",
    "~": "tilde",
}

# The Computer Modern files follow TeX's OT1 encoding, where these codes hold other characters.
_NOT_IN_OT1 = frozenset('"<>\\^{}~')


@dataclass(frozen=True)
class CharacterClass:
    """A class of characters: its name, ready for a prompt, and the characters that belong to it."""

    name: str
    characters: str


def _letters() -> tuple[CharacterClass, ...]:
    classes = []
    for capital, small in zip(string.ascii_uppercase, string.ascii_lowercase, strict=True):
        if capital in MERGED_LETTERS:
            classes.append(CharacterClass(f"letter {capital}", capital + small))
        else:
            classes.append(CharacterClass(f"capital letter {capital}", capital))
            classes.append(CharacterClass(f"small letter {small}", small))
    return tuple(classes)


DIGITS = tuple(CharacterClass(f"digit {d}", d) for d in string.digits)
LETTERS = _letters()
SYMBOLS = tuple(CharacterClass(name, character) for character, name in SYMBOL_NAMES.items())


def face_file(face: str) -> Path:
    """The file of typeface `face` in the installed matplotlib."""
    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{face}.ttf")


def draws(face: str, character: str) -> bool:
    """Whether `face` has the ordinary shape of `character` at its ASCII code."""
    if face == "cmti10" and character == "$":
        return False  # a pound sign in TeX's text italic
    return not (face.startswith("cm") and character in _NOT_IN_OT1)
