"""Figures to manipulate: which lesson has one, what it says, and where it stands. The code is in widgets/TOPIC.js.

The text is there with and without JavaScript; the script adds the controls and the drawing below it.
"""

from dataclasses import dataclass

from ..translation import Translation


@dataclass(frozen=True)
class Widget:
    """A figure: the heading of the section that it stands before, its title and its text."""

    section: str
    title: str
    text: str


WIDGETS = {
    "first_look": Widget(
        "In the library", "Slide a filter",
        "y[i, j] = Σ_u Σ_v x[i + u, j + v] · w[u, v]. The filter is the same at every position. Choose another one, or "
        "change its weights: weights that sum to 0 turn flat areas gray, which is 0."),
    "convolution": Widget(
        "In the library", "Drag the window",
        "The window at row i, column j is one row of X, and its product with w is one value of y. The dashed zeros are "
        "the padding. Without padding, the second window holds 2, 3, 6 and 7: 2·1 + 3·2 + 6·0 + 7·3 = 29."),
    "backward": Widget(
        "Exercises", "Choose ε",
        "L(w) = ln(1 + exp(-w)) is the cross-entropy of two classes with the logits w and 0; its derivative is p - 1. "
        "Here w = 0.5. A large ε misses the curve, a small one leaves few digits in which both values differ."),
    "pooling": Widget(
        "In the library", "Where the gradient goes",
        "Each window sends its dy to its maximum, or in equal parts to all its pixels. With the values of the lesson, "
        "the 9 is the maximum of four windows and gets 1 + 2 + 8 + 16 = 27."),
    "inception": Widget(
        "In the library", "Widths and cost",
        "A K×K convolution from C to F channels takes H·W·K·K·C·F multiply-adds. Choose a module of Table 1 and change "
        "its widths. Module 3a costs 128,049,152 with reductions and 303,464,448 without."),
    "depth": Widget(
        "In the library", "Choose σ",
        "The root mean square after l layers of fan_in units with ReLU is (fan_in · σ² / 2)^(l/2) by the formula. The "
        "dots are measured in the browser, with random weights."),
}


def before(topic: str, heading: str, t: Translation) -> str:
    """The HTML of the topic's figure if it stands before the section ``heading``, else ""."""
    widget = WIDGETS.get(topic)
    if not widget or widget.section != heading:
        return ""
    return (f'<figure class="widget" data-widget="{topic}" aria-label="{t(widget.title)}">'
            f"<figcaption>{t(widget.title)}</figcaption><p>{t(widget.text)}</p></figure>")


def scripts(topic: str) -> tuple[str, ...]:
    """The scripts that the page of a lesson loads for its figure."""
    return ("widgets/widget.js", f"widgets/{topic}.js") if topic in WIDGETS else ()


def texts(topic: str) -> list[str]:
    """The texts of a figure that can be translated, those of its script excepted."""
    widget = WIDGETS.get(topic)
    return [widget.title, widget.text] if widget else []
