"""What a folder of images contains: sizes, formats, copies, damaged files, and how evenly its classes are filled."""

from collections import Counter

from ..errors import shown
from ..hints import counted
from .image_cache import Images
from .image_folder import ImageFolder

LISTED = 20         # damaged files, copies
UNEVEN = 2          # ratio of the largest class to the smallest from which --balance is suggested


def report(folder: ImageFolder, images: Images) -> str:
    """The lines that ``python -m minigooglenet data DIR`` adds to those of ``dataset.describe``."""
    good = [(file, entry) for file, entry in zip(images.files, images.entries, strict=True) if not entry.bad]
    lines = []
    for what, sides in (("width", sorted(entry.width for _, entry in good)),
                        ("height", sorted(entry.height for _, entry in good))):
        lines.append(f"{what:<8} {sides[0]:,} to {sides[-1]:,} pixels, median {sides[len(sides) // 2]:,}")
    formats = Counter(entry.format for _, entry in good).most_common()
    lines.append(f"{'formats':<8} " + ", ".join(f"{name} {number:,}" for name, number in formats))
    count = Counter(file.label for file, _ in good)
    largest, smallest = max(count, key=lambda c: count[c]), min(count, key=lambda c: count[c])
    ratio = count[largest] / count[smallest]
    lines.append(f"{'balance':<8} " + (
        f"{shown(folder.classes[largest])} has {ratio:.1f} times as many images as {shown(folder.classes[smallest])}"
        if ratio > 1 else "all classes have as many images")
        + ("; train --balance loss or sampling evens this out" if ratio >= UNEVEN else ""))
    paths: dict[str, list[str]] = {}
    for file, entry in good:
        paths.setdefault(entry.digest, []).append(file.path)
    copies = [group for group in paths.values() if len(group) > 1]
    lines += _list("copies", "group", "of equal files",
                   [" = ".join(shown(path, 100) for path in group[:4]) + " = ..." * (len(group) > 4)
                    for group in copies])
    lines += _list("damaged", "file", "that cannot be decoded",
                   [f"{shown(path, 100)}: {shown(reason, 200)}" for path, reason in images.bad.items()])
    return "\n".join("  " + line for line in lines)


def _list(title, noun, what, items):
    if not items:
        return [f"{title:<8} none"]
    more = [f"  ... and {len(items) - LISTED:,} more"] if len(items) > LISTED else []
    return [f"{title:<8} {counted(len(items), noun)} {what}", *(f"  {item}" for item in items[:LISTED]), *more]
