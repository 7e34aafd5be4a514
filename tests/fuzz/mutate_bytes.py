"""Changes of bytes without regard to their meaning."""

from random import Random

NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 10**6, 2**24, 2**31 - 1, 2**31, 2**32 - 1,
           2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
CHARACTERS = ("\0", "\n", "\r", "\t", "\x1b[31m", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800",
              "é", "💥", '"', "'", "\\", ",", ";")
LONGEST = 1_000_000         # bytes of an input


def flipped(data: bytes, rng: Random) -> bytes:
    """Up to eight bits are flipped, often in the first bytes, where headers are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[_place(changed, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwritten(data: bytes, rng: Random) -> bytes:
    """An integer of one to eight bytes is replaced by a limit: most formats have their lengths in such integers."""
    size = rng.choice((1, 2, 4, 4, 8))
    value = (rng.choice(NUMBERS) + rng.choice((-1, 0, 0, 1))) % 256**size
    at = _place(data, rng)
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size:]


def truncated(data: bytes, rng: Random) -> bytes:
    return data[:rng.randrange(len(data) + 1)]


def removed(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def repeated(data: bytes, rng: Random) -> bytes:
    """A part occurs up to 100,000 times."""
    start, end = _span(data, rng)
    times = min(rng.choice((2, 2, 3, 3, 100, 100_000)), LONGEST // max(1, end - start))
    return data[:end] + data[start:end] * times + data[end:]


def inserted(data: bytes, rng: Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 100))) + data[at:]


def cleared(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + rng.choice((b"\0", b"\xff", b"\x80")) * (end - start) + data[end:]


def moved(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    rest = data[:start] + data[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + data[start:end] + rest[at:]


BYTES = (flipped, flipped, overwritten, overwritten, truncated, removed, repeated, inserted, cleared, moved)


def changed_bytes(data: bytes, rng: Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(BYTES)(data, rng)
    return data[:LONGEST]


def _place(data, rng):
    length = len(data)
    return rng.randrange(max(1, min(length, rng.choice((16, 200, length)))))


def _span(data, rng):
    start = _place(data, rng)
    return start, min(len(data), start + rng.choice((1, 4, 16, 100, 1000, len(data))))
