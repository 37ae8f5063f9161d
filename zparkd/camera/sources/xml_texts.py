"""Reading XML that anybody may have sent: the texts of its elements, by the path to each.

No document type, so no entities of its own and nothing that grows while it is read; no name
spaces: cameras of one vendor differ in theirs.
"""

from xml.parsers import expat

from zparkd.camera.read import Unreadable

DEPTH = 16
ELEMENTS = 4096
TEXT_CHARACTERS = 4096

Texts = dict[tuple[str, ...], str]


def texts_of(body: bytes) -> Texts:
    """The text of the first element at each path, from the root on. Raises Unreadable."""
    texts: Texts = {}
    path: list[str] = []
    text: list[str] = []
    seen = 0

    def start(name: str, _: object) -> None:
        nonlocal seen
        seen += 1
        if len(path) >= DEPTH or seen > ELEMENTS:
            raise Unreadable("the XML is larger than any event")
        path.append(name.rpartition(":")[2])
        text.clear()

    def end(_: str) -> None:
        texts.setdefault(tuple(path), "".join(text).strip()[:TEXT_CHARACTERS])
        path.pop()
        text.clear()

    def refuse(*_: object) -> None:
        raise Unreadable("the XML has a document type; no camera's has")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as fault:
        raise Unreadable(f"no XML: {fault}") from None
    return texts
