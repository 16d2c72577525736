"""Text without what a terminal would obey."""

import unicodedata
from enum import Enum, auto

TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029")
"""Characters that turn the direction of writing, or end a line in their own way."""


class Place(Enum):
    """Where in an escape sequence the text is."""

    OUTSIDE = auto()
    RETURNED = auto()  # after a carriage return
    ESCAPED = auto()  # after ESC
    CONTROL = auto()  # in ESC [ …, to its final letter
    MESSAGE = auto()  # in ESC ] … and its like, to BEL, ESC \ or the line's end
    CLOSING = auto()  # after an ESC in a message


class Cleaner:
    """Leaves out escape sequences, control characters but line feeds and tabs, and what turns writing."""

    def __init__(self) -> None:
        self._place = Place.OUTSIDE

    def clean(self, text: str) -> str:
        """What is harmless of the text, which may come in pieces."""
        return "".join(self._shown(character) for character in text)

    def _shown(self, c: str) -> str:
        was, self._place = self._place, Place.OUTSIDE
        inside = self._inside(was, c)
        if inside is not None:
            self._place = inside
            return ""
        line = "\n" if was is Place.RETURNED else ""  # a line that was to be written over stays
        if line and c == "\n":
            return line
        return line + self._plain(c)

    @staticmethod
    def _inside(was: Place, c: str) -> Place | None:
        """Where the text is after a character that belongs to a sequence; None if it belongs to none."""
        match was:
            case Place.ESCAPED if c == "[":
                return Place.CONTROL
            case Place.ESCAPED if c in "]PX^_":
                return Place.MESSAGE
            case Place.ESCAPED if " " <= c <= "/":
                return Place.ESCAPED
            case Place.ESCAPED if " " < c < "\x7f":
                return Place.OUTSIDE
            case Place.CONTROL if " " <= c <= "?":
                return Place.CONTROL
            case Place.CONTROL if "?" < c < "\x7f":
                return Place.OUTSIDE
            case Place.MESSAGE if c == "\x1b":
                return Place.CLOSING
            case Place.MESSAGE if c not in "\a\n\x9c":
                return Place.MESSAGE
            case Place.CLOSING if c == "\\":
                return Place.OUTSIDE
            case Place.CLOSING if c != "\n":
                return Place.MESSAGE
        return None

    def _plain(self, c: str) -> str:
        if c in "\n\t":
            return c
        if c == "\r":
            self._place = Place.RETURNED
        elif c == "\x1b":
            self._place = Place.ESCAPED
        elif c == "\x9b":
            self._place = Place.CONTROL
        elif c in "\x90\x98\x9d\x9e\x9f":
            self._place = Place.MESSAGE
        elif unicodedata.category(c) not in ("Cc", "Cs") and c not in TURNS:
            return c
        return ""


def cleaned(text: str) -> str:
    """The text without what a terminal would obey, on one line."""
    return Cleaner().clean(text).replace("\n", " ").replace("\t", " ")
