"""The page of a report: one HTML file without scripts, which loads nothing."""

import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import shown
from ..figures import data_uri, evaluation, style
from ..hints import counted
from . import parts
from .parts import Images, percent

GENERATOR = "minigooglenet report"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
DPI, SCREEN, PHONE = 150, 100, 78       # pixels per inch: of a figure's file, on the screen, at least on a phone
HERE = Path(__file__).parent


def page(facts: Mapping[str, Any], images: Mapping[str, Sequence[Images]]) -> str:
    """The text of the page. ``facts`` is what report.json has; ``images`` are those of its cases: "mistakes", and the
    suspects of "test" and "training"."""
    about = [f"{facts['model']}", counted(facts["test_images"], "test image"), counted(len(facts["classes"]), "class",
                                                                                       "classes"),
             "each image averaged with its mirror image" if facts["views"] == 2 else counted(facts["views"], "view")]
    return _HTML.format(
        policy=POLICY, generator=GENERATOR, css=(HERE / "page.css").read_text(encoding="utf-8"),
        title=escape(f"{shown(Path(facts['run']).name)} on {shown(facts['dataset'])}"),
        about=escape(", ".join(about)) + (f"<br>{escape(shown(facts['note'], 500))}" if facts["note"] else ""),
        numbers=_numbers(facts), classes=parts.class_table(facts), matrix=_matrix(facts),
        confusions=parts.confusion_table(facts),
        beside=" class=two" if len(facts["classes"]) <= evaluation.NUMBERS else "", calibration=_calibration(facts),
        confidence=percent(facts["confidence"]), accuracy=percent(facts["accuracy"]),
        mistakes=_mistakes(facts, images["mistakes"]), guess=f"{np.log(len(facts['classes'])):.3f}",
        suspects="".join(parts.suspected(facts, part, images[part]) for part in ("test", "training")))


def _numbers(facts):
    low, high = facts["interval"]
    rows = [
        ("accuracy", percent(facts["accuracy"]),
         f"95 % interval {parts.between((low, high))}; {facts['correct']:,} of {facts['test_images']:,} images; "
         f"{percent(facts['guessing'])} if always the most frequent class is predicted"),
        ("macro F1", percent(facts["macro"]["f1"]), "the mean F1 of the classes; each class counts the same"),
        ("calibration error", percent(facts["ece"]), f"ECE; mean confidence {percent(facts['confidence'])}"),
        ("negative log-likelihood", f"{facts['nll']:.3f}",
         f"nats; {np.log(len(facts['classes'])):.3f} for equal probabilities"),
    ]
    return "".join(f"<div><dt>{head}</dt><dd>{value} <small>{remark}</small></dd></div>"
                   for head, value, remark in rows)


def _matrix(facts):
    counts, K = np.array(facts["confusion_matrix"]), len(facts["classes"])
    worst = facts["confusions"][0] if facts["confusions"] else None
    most = (f" The most frequent confusion: {parts.name(facts, worst['label'])} taken for "
            f"{parts.name(facts, worst['predicted'])}, {counted(worst['images'], 'image')}." if worst else "")
    return two_themes(lambda dark: evaluation.confusion_matrix(counts, facts["classes"], dark),
                     f"Confusion matrix of {K} classes: {facts['correct']:,} of {facts['test_images']:,} images are on "
                     f"the diagonal.{most}", "Confusion matrix")


def _calibration(facts):
    rows = facts["reliability"]
    values = [np.array([np.nan if row[key] is None else row[key] for row in rows], float)
              for key in ("images", "confidence", "accuracy")]
    filled = [row for row in rows if row["images"]]
    alt = "Reliability diagram. " + "; ".join(
        f"confidence {row['confidence']:.2f}: accuracy {row['accuracy']:.2f}" for row in filled) + "."
    return two_themes(lambda dark: evaluation.reliability_diagram(*values, dark), alt, "Reliability diagram")


def _mistakes(facts, images):
    if not facts["mistakes"]:
        return "<p>No prediction is wrong.</p>"
    return parts.cards(facts, facts["mistakes"], images, "{label}, predicted as {predicted}")


def two_themes(draw: Callable[[bool], Any], alt: str, label: str) -> str:
    """A figure in its light and its dark form, of which the browser shows one; on a phone it scrolls sideways."""
    found, width = [], 0.0
    for dark in (False, True):
        file, figure = io.BytesIO(), draw(dark)
        style.save(figure, file, dpi=DPI)
        found.append(data_uri.uri(Image.open(file).convert("RGB").quantize(64), "PNG", optimize=True))
        width = figure.get_figwidth()
    return (f'<div class="scroll figure" tabindex="0" role="region" aria-label="{label}"><picture>'
            f'<source media="(prefers-color-scheme: dark)" srcset="{found[1]}">'
            f'<img class="wide" style="--least:{PHONE * width:.0f}px" width="{SCREEN * width:.0f}" src="{found[0]}" '
            f'alt="{alt}"></picture></div>')


_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{generator}">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="quiet">{about}</p>
<dl class="numbers">{numbers}</dl>
<nav aria-label="Sections"><ul><li><a href="#classes">Classes</a></li><li><a href="#confusions">Confusions</a></li>
<li><a href="#calibration">Calibration</a></li><li><a href="#mistakes">Mistakes</a></li>
<li><a href="#labels">Suspected labels</a></li><li><a href="#terms">Definitions</a></li></ul></nav>
</header>
<main>
<section id="classes"><h2>Classes</h2>
{classes}
</section>
<section id="confusions"><h2>Confusions</h2>
<p>A row for each label, a column for each predicted class. The diagonal is correct.</p>
<div{beside}><div>{matrix}</div>
<div><h3>The most frequent ones</h3>
{confusions}</div></div>
</section>
<section id="calibration"><h2>Calibration</h2>
<div class="two"><div>{calibration}</div>
<div><p>The confidence is the probability of the predicted class. Calibrated means: of the images with confidence 0.8,
80&nbsp;% are correct, and the bars end on the dashed line. Bars below it: the network is too sure of itself; above it:
not sure enough. Here the mean confidence is {confidence}, and the accuracy {accuracy}.</p>
<details><summary>Exercise: temperature scaling</summary>
<p>Divide all logits by one number, q = softmax(z / T). From probabilities p it is q<sub>k</sub> =
p<sub>k</sub><sup>1/T</sup> / Σ<sub>j</sub> p<sub>j</sub><sup>1/T</sup>. The order of the classes does not change, the
confidence does.</p>
<ol><li>Does T &gt; 1 raise or lower the confidence? What about T → ∞?</li>
<li>Load p and y from predictions.npz, beside this page. On every second image, find the T with the lowest negative
log-likelihood: try 0.5 to 5 in small steps.</li>
<li>On the other images, compare ECE and negative log-likelihood with T = 1. Why not on the same images?</li></ol>
<pre>import numpy as np
saved = np.load("predictions.npz")
p, y = saved["p"], saved["y"]       # (N, K), (N,)</pre>
<p>A solution: examples/temperature.py in the source of minigooglenet. Source: Guo et al. 2017, "On calibration of
modern neural networks", section 4.2.</p></details></div></div>
</section>
<section id="mistakes"><h2>The most confident mistakes</h2>
<p>Wrong predictions with the highest confidence. A map shows where the network finds evidence for a class, brighter for
more; each is scaled by its own maximum. The nearest training images are those whose features, the input of the last
layer, have the highest cosine similarity.</p>
{mistakes}
</section>
<section id="labels"><h2>Suspected label errors</h2>
<p>An image is listed if the network predicts another class than its label, and is sure of one: its probability is at
least the mean probability of that class over the images labeled so (confident learning). The lowest probability of the
label comes first. Many are hard images with a correct label, and a poor network suspects more of them: look before you
change one.</p>
{suspects}
</section>
<section id="terms"><h2>Definitions</h2>
<dl class="terms">
<dt>95 % interval</dt><dd>Wilson's: all accuracies from which the measured one is less than 1.96 standard deviations
away, if the images are a random sample.</dd>
<dt>precision, recall, F1</dt><dd>Of the images predicted as a class, the part that belongs to it; of the images of a
class, the part that is predicted as it; and their harmonic mean. "–": there are no such images.</dd>
<dt>ECE</dt><dd>Expected calibration error: |accuracy − mean confidence| of the images in each of 15 bins of the
confidence, averaged over the images (Guo et al. 2017).</dd>
<dt>negative log-likelihood</dt><dd>The mean of −log p(label): the cross-entropy. {guess} if all classes are equally
probable.</dd>
<dt>confident learning</dt><dd>Northcutt, Jiang &amp; Chuang 2021, "Confident learning: estimating uncertainty in
dataset labels", equations 1 and 2.</dd>
</dl>
<p>All values are in report.json, beside this page; classes there are numbers from 0, in the order of "classes".</p>
</section>
</main>
</body>
</html>
"""
