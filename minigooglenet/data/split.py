"""Dividing images into training and test images: by a hash of their contents, so that it is stable.

A number u in [0, 1) is computed from the seed and the contents of an image; the image is a test image if u is less
than the fraction of the test set. So an image stays on its side when others are added, and equal files, wherever they
are, are on the same side. Files that differ in their suffix only, such as ``1.jpg`` and ``1.png`` in one folder, are
taken as the same image.
"""

import os
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from ..errors import UserError, shown

TEST_FRACTION = 0.2


def position(digest: str, seed: int) -> float:
    """u in [0, 1): a hash of the seed and of an image's digest, uniform over images."""
    value = blake2b(f"{seed} {digest}".encode(), digest_size=8).digest()
    return (int.from_bytes(value, "big") >> 11) / 2 ** 53


def split(paths: Sequence[str], labels: Sequence[int], digests: Sequence[str], classes: Sequence[str], seed: int = 0,
          fraction: float = TEST_FRACTION) -> list[bool]:
    """For each image whether it is a test image.

    paths, labels, digests  of the images; the digest is a hash of the file's bytes
    classes                 names of the classes
    seed, fraction          of the split; a fraction of the images is expected to be test images

    A class whose images would all be on one side gives the image nearest to the threshold to the other side. Raises
    UserError that names the class if that is not possible, because all its images are equal.
    """
    groups = same_image(paths, digests)
    key: dict[int, str] = {}                                    # of a group: its smallest digest
    for group, digest in zip(groups, digests, strict=True):
        key[group] = min(digest, key.get(group, digest))
    u = {group: position(digest, seed) for group, digest in key.items()}
    testing = {group: value < fraction for group, value in u.items()}
    members: list[set[int]] = [set() for _ in classes]
    for group, label in zip(groups, labels, strict=True):
        members[label].add(group)
    for inside in members:
        sides = {testing[group] for group in inside}
        if len(sides) == 1:
            nearest = min(inside, key=lambda group: abs(u[group] - fraction))
            testing[nearest] = not testing[nearest]
    for name, inside in zip(classes, members, strict=True):
        if len({testing[group] for group in inside}) < 2:
            raise UserError(f"the class {shown(name)} has only one distinct image, needs one to train and one to test; "
                            "add others, or remove its folder")
    return [testing[group] for group in groups]


def same_image(paths: Sequence[str], digests: Sequence[str]) -> list[int]:
    """A number for each file, equal for files with equal bytes or with the same path but for the suffix (union-find).
    """
    parent = list(range(len(paths)))

    def root(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    first: dict[str, int] = {}
    for i, (path, digest) in enumerate(zip(paths, digests, strict=True)):
        stem = unicodedata.normalize("NFC", os.path.splitext(path)[0]).casefold()
        for name in ("name " + stem, "bytes " + digest):
            parent[root(i)] = root(first.setdefault(name, i))
    return [root(i) for i in range(len(paths))]
