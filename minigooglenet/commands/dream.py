"""``python -m minigooglenet dream``"""

import argparse
import re
from pathlib import Path

from ..errors import UserError
from .looking import WEIGHTS, add_network, as_picture, bounds, open_network, progress
from .options import positive, whole

DESCRIPTION = f"""\
DeepDream (Mordvintsev et al. 2015): change a picture until a layer sees more of what it sees in it already. Lower
layers dream of strokes and textures, 4c of animals and buildings. From a photo, or, without one, from noise.

With --channel one channel of the layer is climbed: what does it look for?

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet dream photo.jpg --out dream.png
  python -m minigooglenet dream photo.jpg --layer 3b --octaves 6
  python -m minigooglenet dream --size 512 --layer 4d --channel 70 --seed 3"""

LARGEST = 4096


def add_arguments(parser):
    parser.add_argument("photo", nargs="?", metavar="PHOTO", help="where to begin (default: noise)")
    parser.add_argument("--layer", default="4c", metavar="PATH", help="who dreams, such as 4c or 4c/3x3 (default: 4c)")
    parser.add_argument("--channel", type=whole, metavar="N", help="only this channel of the layer")
    parser.add_argument("--size", type=_size, metavar="N|WxH",
                        help="pixels: of a photo the longer side, of noise both (default: 512)")
    parser.add_argument("--octaves", type=positive, default=4, metavar="N", help="sizes, small to large (default: 4)")
    parser.add_argument("--scale", type=float, default=1.4, metavar="X", help="from one to the next (default: 1.4)")
    parser.add_argument("--steps", type=positive, metavar="N", help="in each octave (default: 10, from noise 20)")
    parser.add_argument("--strength", type=float, default=1.0, metavar="X", help="how far a step goes (default: 1)")
    parser.add_argument("--jitter", type=whole, default=32, metavar="N", help="pixels of random shift (default: 32)")
    parser.add_argument("--tile", type=positive, default=512, metavar="N",
                        help="largest piece computed at once, which bounds the memory (default: 512)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of noise and shifts (default: 0)")
    parser.add_argument("--out", type=_picture, default=Path("dream.png"), metavar="FILE",
                        help="a .png or .jpg (default: dream.png)")
    add_network(parser)


def run(args):
    import numpy as np

    from ..inside.dream import Dream, dream
    from ..inside.structure import before_relu

    for name, value, largest in (("scale", args.scale, 4), ("strength", args.strength, 100)):
        if not (1 if name == "scale" else 0) < value <= largest:
            raise UserError(f"--{name}: got {value}, choose more than {int(name == 'scale')}, up to {largest}")
    classifier = open_network(args)
    rng, limits = np.random.default_rng(args.seed), bounds(classifier)
    x = _begin(args, classifier, limits, rng)
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
        x = dream(classifier.net, x, how, limits, rng, on_step)
    save(as_picture(classifier, x), args.out)
    print(f"{args.out}: {x.shape[1]}×{x.shape[0]}, a dream of {args.layer}"
          + (f", channel {args.channel}" if args.channel is not None else ""))


def _begin(args, classifier, limits, rng):
    """The picture to begin with, as the network reads it: (H, W, 3)."""
    import numpy as np

    if args.photo is None:
        width, height = args.size or (512, 512)
        low, high = limits
        return ((low + high) / 2 + 0.06 * (high - low) * rng.standard_normal((height, width, 3))).astype(np.float32)
    from PIL import Image

    from ..inference.photos import open_photo

    image = open_photo(args.photo)
    factor = min(side / own for side, own in zip(args.size or (512, 512), image.size, strict=True))
    size = tuple(max(1, round(factor * side)) for side in image.size)
    return classifier.prepare(np.asarray(image.resize(size, Image.Resampling.LANCZOS))[None])[0]


def save(picture, path):
    """A uint8 picture (H, W, 3) into a .png or .jpg, whole or not at all."""
    from PIL import Image

    from ..files import write_atomically

    kind, options = ("PNG", {}) if path.suffix.lower() == ".png" else ("JPEG", {"quality": 93})
    write_atomically(path, lambda file: Image.fromarray(picture).save(file, kind, **options))


def _size(text):
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text)
    if not found or not all(16 <= int(n) <= LARGEST for n in found.groups() if n):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs 16 to {LARGEST} pixels, such as 512 or 640x480")
    return int(found[1]), int(found[2] or found[1])


def _picture(text):
    if Path(text).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a name that ends in .png or .jpg")
    return Path(text)
