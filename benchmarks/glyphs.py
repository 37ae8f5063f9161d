"""A poor camera: plates drawn in dots, dirtied, and read back dot by dot. It knows no look-alikes.

Which characters it takes for which follows from the dots alone, so nothing here can flatter the
ladder of `zparkd.core.plates`, with which it shares no table.
"""

from random import Random

_FONT = {  # five dots wide, seven high: each row as a number
    "0": "0E 11 11 11 11 11 0E",
    "1": "04 0C 04 04 04 04 0E",
    "2": "0E 11 01 02 04 08 1F",
    "3": "1F 02 04 02 01 11 0E",
    "4": "02 06 0A 12 1F 02 02",
    "5": "1F 10 1E 01 01 11 0E",
    "6": "06 08 10 1E 11 11 0E",
    "7": "1F 01 02 04 08 08 08",
    "8": "0E 11 11 0E 11 11 0E",
    "9": "0E 11 11 0F 01 02 0C",
    "A": "0E 11 11 1F 11 11 11",
    "B": "1E 11 11 1E 11 11 1E",
    "C": "0E 11 10 10 10 11 0E",
    "D": "1C 12 11 11 11 12 1C",
    "E": "1F 10 10 1E 10 10 1F",
    "F": "1F 10 10 1E 10 10 10",
    "G": "0E 11 10 17 11 11 0F",
    "H": "11 11 11 1F 11 11 11",
    "I": "0E 04 04 04 04 04 0E",
    "J": "07 02 02 02 02 12 0C",
    "K": "11 12 14 18 14 12 11",
    "L": "10 10 10 10 10 10 1F",
    "M": "11 1B 15 15 11 11 11",
    "N": "11 11 19 15 13 11 11",
    "O": "0E 11 11 11 11 11 0E",
    "P": "1E 11 11 1E 10 10 10",
    "Q": "0E 11 11 11 15 12 0D",
    "R": "1E 11 11 1E 14 12 11",
    "S": "0F 10 10 0E 01 01 1E",
    "T": "1F 04 04 04 04 04 04",
    "U": "11 11 11 11 11 11 0E",
    "V": "11 11 11 11 11 0A 04",
    "W": "11 11 11 15 15 15 0A",
    "X": "11 11 0A 04 0A 11 11",
    "Y": "11 11 11 0A 04 04 04",
    "Z": "1F 01 02 04 08 10 1F",
}
_WIDE, _HIGH = 5, 7
_DOTS = {
    char: sum(int(row, 16) << _WIDE * number for number, row in enumerate(rows.split()))
    for char, rows in _FONT.items()
}
_EDGE_FLIPS = 0.10  # a dot beside one of the other colour, in a usual picture
_DIRT_FLIPS = 0.02  # any other dot
_LOST = 0.03  # a plate whose first or last character is outside the picture
_ADDED = 0.03  # a plate with a screw or rim that is read as a character
_TURNED = 0.01  # a plate with two neighbours in the wrong order: two rows, seen askew


def _edges(dots: int) -> int:
    """The dots that have a neighbour of the other colour."""
    found = 0
    for y in range(_HIGH):
        for x in range(_WIDE):
            here = dots >> (y * _WIDE + x) & 1
            beside = ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1))
            if any(
                dots >> (v * _WIDE + u) & 1 != here
                for u, v in beside
                if 0 <= u < _WIDE and 0 <= v < _HIGH
            ):
                found |= 1 << (y * _WIDE + x)
    return found


_EDGES = {char: _edges(dots) for char, dots in _DOTS.items()}


def read(plate: str, chance: Random) -> str:
    """What such a camera reads of a plate, once."""
    poor = chance.choice((0.3, 0.6, 1.0, 1.0, 1.5))  # night, rain, speed
    chars = [_read(char, poor, chance) for char in plate]
    if chance.random() < _LOST:
        del chars[chance.choice((0, -1))]
    if chance.random() < _ADDED:
        blot = chance.getrandbits(_WIDE * _HIGH) & chance.getrandbits(_WIDE * _HIGH)
        chars.insert(chance.randint(0, len(chars)), _nearest(blot, chance))
    if chance.random() < _TURNED:
        at = chance.randrange(len(chars) - 1)
        chars[at : at + 2] = reversed(chars[at : at + 2])
    return "".join(chars)


def _read(char: str, poor: float, chance: Random) -> str:
    dots, edges = _DOTS[char], _EDGES[char]
    for bit in range(_WIDE * _HIGH):
        flips = _EDGE_FLIPS if edges >> bit & 1 else _DIRT_FLIPS
        if chance.random() < flips * poor:
            dots ^= 1 << bit
    return _nearest(dots, chance)


def _nearest(dots: int, chance: Random) -> str:
    """The character whose dots differ least; of several any."""
    apart = {char: (dots ^ its).bit_count() for char, its in _DOTS.items()}
    least = min(apart.values())
    return chance.choice([char for char, count in apart.items() if count == least])
