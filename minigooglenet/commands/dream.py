"""``python -m minigooglenet dream``"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .interpreting import WEIGHTS, add_network, as_image, open_network, pixel_bounds, progress
from .options import layer_path, positive, whole

if TYPE_CHECKING:
    from ..layers.base import Array

DESCRIPTION = f"""\
DeepDream (Mordvintsev et al. 2015): gradient ascent on an image that amplifies what a layer responds to. Lower layers
give strokes and textures, 4c animals and buildings. It starts from a photo or, without one, from noise.

With --channel only one channel of the layer is maximized: the image shows what it responds to.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet dream photo.jpg --out dream.png
  python -m minigooglenet dream photo.jpg --layer 3b --octaves 6
  python -m minigooglenet dream --size 512 --layer 4d --channel 70 --seed 3"""

MAX_SIDE = 4096  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", nargs="?", metavar="PHOTO", help="the initial image (default: noise)")
    parser.add_argument("--layer", type=layer_path, default="4c", metavar="PATH",
                        help="the layer, such as 4c or 4c/3x3 (default: 4c)")
    parser.add_argument("--channel", type=whole, metavar="N", help="only this channel of the layer")
    parser.add_argument("--size", type=_size, metavar="N|WxH",
                        help="pixels: the longer side of a photo, both sides of noise (default: 512)")
    parser.add_argument("--octaves", type=positive, default=4, metavar="N",
                        help="number of image sizes, small to large (default: 4)")
    parser.add_argument("--scale", type=float, default=1.4, metavar="X",
                        help="ratio of each size to the one before (default: 1.4)")
    parser.add_argument("--steps", type=positive, metavar="N",
                        help="gradient steps per octave (default: 10, from noise 20)")
    parser.add_argument("--strength", type=float, default=1.0, metavar="X",
                        help="multiplies the step size (default: 1)")
    parser.add_argument("--jitter", type=whole, default=32, metavar="N", help="pixels of random shift (default: 32)")
    parser.add_argument("--tile", type=positive, default=512, metavar="N",
                        help="largest tile in pixels, which bounds the memory (default: 512)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="seed of noise and shifts (default: 0)")
    parser.add_argument("--out", type=_image_path, default=Path("dream.png"), metavar="FILE",
                        help="a .png or .jpg (default: dream.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from ..interpret.dream import Dream, dream
    from ..interpret.structure import before_relu

    for name, value, largest in (("scale", args.scale, 4), ("strength", args.strength, 100)):
        if not (1 if name == "scale" else 0) < value <= largest:
            raise UserError(f"--{name}: got {value}, needs more than {int(name == 'scale')}, up to {largest}")
    classifier = open_network(args)
    rng, bounds = np.random.default_rng(args.seed), pixel_bounds(classifier)
    x = _initial(args, classifier, bounds, rng)
    layer, channel = args.layer, args.channel
    if channel is not None:
        layer, channel = before_relu(classifier.net, layer, channel, x.shape)
    noise = args.photo is None
    steps = args.steps or (20 if noise else 10)
    how = Dream(layer, channel, args.octaves, args.scale, steps, (0.012 if noise else 0.006) * args.strength,
                args.jitter, args.tile, smooth=noise)
    with progress(args.octaves * steps, "step") as bar:
        def on_step(value):
            bar.set_postfix_str(f"{args.layer} {value:.3g}")
            bar.update()
        x = dream(classifier.net, x, how, bounds, rng, on_step)
    save(as_image(classifier, x), args.out)
    print(f"{args.out}: {x.shape[1]}×{x.shape[0]}, {args.layer} amplified"
          + (f", channel {args.channel}" if args.channel is not None else ""))


def _initial(args, classifier, bounds, rng):
    """The initial image as network input: (H, W, 3)."""
    import numpy as np

    if args.photo is None:
        width, height = args.size or (512, 512)
        low, high = bounds
        return ((low + high) / 2 + 0.06 * (high - low) * rng.standard_normal((height, width, 3))).astype(np.float32)
    from PIL import Image

    from ..data.photos import open_photo

    image = open_photo(args.photo)
    factor = min(side / own for side, own in zip(args.size or (512, 512), image.size, strict=True))
    size = tuple(max(1, round(factor * side)) for side in image.size)
    return classifier.prepare(np.asarray(image.resize(size, Image.Resampling.LANCZOS))[None])[0]


def save(image: Array, path: Path) -> None:
    """Write a uint8 image (H, W, 3) to a .png or .jpg, atomically."""
    from PIL import Image

    from ..files import write_atomically

    if path.suffix.lower() == ".png":
        write_atomically(path, lambda file: Image.fromarray(image).save(file, "PNG"))
    else:
        write_atomically(path, lambda file: Image.fromarray(image).save(file, "JPEG", quality=93))


def _size(text):
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text)
    if not found or not all(16 <= int(n) <= MAX_SIDE for n in found.groups() if n):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs 16 to {MAX_SIDE} pixels, such as 512 or 640x480")
    return int(found[1]), int(found[2] or found[1])


def _image_path(text):
    if Path(text).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a name that ends in .png or .jpg")
    return Path(text)
