"""What SQLite keeps in a database, page by page: https://www.sqlite.org/fileformat2.html."""

WAL_HEADER, FRAME_HEADER = 32, 24
FILE_HEADER = 100  # before the first page's own
_TREE_PAGES = {2: 12, 5: 12, 10: 8, 13: 8}  # by type: how long the header is


def kept(data: bytes) -> bytes:
    """A database, or its log of commits, without the unused middle of its b-tree pages.

    Where a page is split SQLite moves rows to another page, and leaves their bytes between the last
    pointer and the first cell of the old one, `secure_delete` or not. All else counts: cells, the
    blocks and pages that were freed, overflow pages.
    """
    found = bytearray(data)
    if data[:4] in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        size = int.from_bytes(data[8:12])
        starts = range(WAL_HEADER + FRAME_HEADER, len(data), FRAME_HEADER + size)
        firsts = {at for at in starts if int.from_bytes(data[at - 24 : at - 20]) == 1}
    elif data[:16] == b"SQLite format 3\0":
        size = int.from_bytes(data[16:18])
        starts, firsts = range(0, len(data), size), {0}
    else:
        return data
    for start in starts:
        header = start + (FILE_HEADER if start in firsts else 0)
        length = _TREE_PAGES.get(data[header])
        if length is not None:
            cells = int.from_bytes(data[header + 3 : header + 5])
            first = int.from_bytes(data[header + 5 : header + 7]) or 65_536
            gap = header + length + 2 * cells
            if gap < start + first <= start + size:
                found[gap : start + first] = bytes(start + first - gap)
    return bytes(found)
