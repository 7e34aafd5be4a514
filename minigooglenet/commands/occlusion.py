"""``python -m minigooglenet occlusion``"""

from pathlib import Path

from .looking import WEIGHTS, add_class, add_network, look, progress, source
from .options import figure_path, positive, save_figure

DESCRIPTION = f"""\
Show where in a photo a class is seen, without any gradient: cover the photo piece by piece with grey and measure how
far the probability of the class falls (Zeiler & Fergus 2014).

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet occlusion cat.jpg
  python -m minigooglenet occlusion cat.jpg --patch 32 --stride 8 --out fine.png"""


def add_arguments(parser):
    parser.add_argument("photo", metavar="PHOTO", help="a picture file")
    add_class(parser)
    parser.add_argument("--patch", type=positive, metavar="N", help="pixels covered (default: 48 of 224, 8 of 32)")
    parser.add_argument("--stride", type=positive, metavar="N", help="pixels between patches (default: a third)")
    parser.add_argument("--out", type=figure_path, default=Path("occlusion.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: occlusion.png)")
    add_network(parser)


def run(args):
    from .. import fast
    from ..inference.labels import short_label
    from ..inside.occlusion import occlusion_map, starts
    from ..layers import softmax
    from ..pictures.heatmaps import heatmaps

    classifier, picture, x, p, k = look(args)
    patch = args.patch or (48 if classifier.size > 64 else max(1, classifier.size // 4))
    stride = args.stride or max(1, patch // 3)
    net = fast.predictor(classifier.net)
    with progress(len(starts(len(picture), patch, stride)) ** 2, "look") as bar:
        heat, looks = occlusion_map(lambda x: softmax(net.predict(x)), x[0], k, patch, stride,
                                    on_batch=bar.update)
    label = short_label(classifier.labels[k])
    title = f"What {label} ({p[k]:.1%}) rests on".replace("$", r"\$")
    drawing = heatmaps(picture, [(f"covered by {patch}×{patch} pixels", heat)], title,
                       f"{looks:,} looks, {stride} pixels apart; the probability falls by up to {heat.max():.1%}, the "
                       f"mean over the covers of a place. Line: half of that. {source(classifier, args.photo)}")
    save_figure(drawing, args.out)
    print(f"{args.out}: {classifier.labels[k]}, {p[k]:.1%}")
