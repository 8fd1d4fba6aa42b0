"""Which names an upload may have: one file in one folder, on every file system, in every log and header."""

import unicodedata

NAME_MAX_BYTES = 200
"""UTF-8 bytes. File systems take 255; the store needs a few for its own marks."""

_ALLOWED = "._-()+@=,~'!&[]"


def clean_name(name: str) -> str:
    """The name in one Unicode form. Raises ValueError with a sentence when it is not one that is kept."""
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip():
        raise ValueError("A name must not be empty, nor begin or end with a space.")
    if name.startswith("."):
        raise ValueError("A name must not begin with a dot.")
    wrong = next((char for char in name if not _may_be_in_a_name(char)), None)
    if wrong is not None:
        raise ValueError(f"A name must not hold {wrong!r}: use letters, digits, spaces and {_ALLOWED}.")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise ValueError(f"A name has at most {NAME_MAX_BYTES} bytes; this has {len(name.encode())}.")
    return name


def _may_be_in_a_name(char: str) -> bool:
    # Mn and Mc are accents and vowel signs that stand on a letter; So are emoji. U+FFFD is what servers make of bytes
    # that are no UTF-8: different names would become one.
    if char == "\N{REPLACEMENT CHARACTER}":
        return False
    return char.isalnum() or char == " " or char in _ALLOWED or unicodedata.category(char) in {"Mn", "Mc", "So"}
