"""``python -m minigooglenet occlusion``"""

import argparse
from pathlib import Path

from ..hints import counted
from .interpreting import WEIGHTS, add_class, add_network, caption, classify_photo, progress
from .options import figure_path, positive, save_figure

DESCRIPTION = f"""\
Show which regions of a photo support a class, without gradients: cover each region with a gray patch and measure how
much the probability of the class drops (Zeiler & Fergus 2014).

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet occlusion cat.jpg
  python -m minigooglenet occlusion cat.jpg --patch 32 --stride 8 --out fine.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    add_class(parser)
    parser.add_argument("--patch", type=positive, metavar="N",
                        help="size of the patch in pixels (default: 48 of 224, 8 of 32)")
    parser.add_argument("--stride", type=positive, metavar="N",
                        help="pixels from patch to patch (default: a third of the patch)")
    parser.add_argument("--out", type=figure_path, default=Path("occlusion.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: occlusion.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    from .. import engine
    from ..data.labels import short_label
    from ..figures.heatmaps import heatmaps
    from ..interpret.occlusion import occlusion_map, starts
    from ..layers import softmax

    classifier, image, x, p, k = classify_photo(args)
    patch = args.patch or (48 if classifier.size > 64 else max(1, classifier.size // 4))
    stride = args.stride or max(1, patch // 3)
    net = engine.predictor(classifier.net)
    with progress(len(starts(len(image), patch, stride)) ** 2, "patch") as bar:
        heat, patches = occlusion_map(lambda x: softmax(net.predict(x)), x[0], k, patch, stride,
                                    on_batch=bar.update)
    label = short_label(classifier.labels[k])
    title = f"Evidence for {label} ({p[k]:.1%})".replace("$", r"\$")
    figure = heatmaps(image, [(f"covered by {patch}×{patch} pixels", heat)], title,
                      f"{counted(patches, 'patch', 'patches')}, {counted(stride, 'pixel')} apart. Color: drop of the "
                      f"probability, averaged over the patches that cover a pixel, up to {heat.max():.1%}. Line: half "
                      f"of that. {caption(classifier, args.photo)}")
    save_figure(figure, args.out)
    print(f"{args.out}: {classifier.labels[k]}, {p[k]:.1%}")
