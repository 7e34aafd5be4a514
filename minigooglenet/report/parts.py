"""Parts of the page: tables, and cards with images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..errors import shown
from ..hints import counted

NAME = 40           # characters of a class name


@dataclass
class Images:
    """Data URIs of a case: the image, the nearest training images, and maps as (class, URI)."""

    image: str
    nearest: list[str]
    maps: list[tuple[str, str]] = field(default_factory=list)


def name(facts: Mapping[str, Any], k: int) -> str:
    """The name of class k as HTML."""
    return escape(shown(facts["classes"][k], NAME))


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def between(interval: Sequence[float | None]) -> str:
    """An interval of fractions: "81.2 to 84.9 %"."""
    low, high = interval
    return "–" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"


def class_table(facts: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of each class, and the class it is most often taken for."""
    most: dict[int, dict[str, int]] = {}
    for k, row in enumerate(facts["confusion_matrix"]):
        others = [(n, j) for j, n in enumerate(row) if j != k and n]
        if others:
            n, j = max(others, key=lambda pair: (pair[0], -pair[1]))
            most[k] = {"predicted": j, "images": n}
    rows = []
    for k, row in enumerate(facts["by_class"]):
        taken = f"{name(facts, most[k]['predicted'])} ({most[k]['images']:,})" if k in most else "–"
        part = 100 * (row["recall"] or 0)
        rows.append(
            f'<tr><th scope="row" class="text">{name(facts, k)}</th><td>{row["images"]:,}</td>'
            f'<td>{percent(row["precision"])}</td><td class="meter" style="--part:{part:.1f}%"><span>'
            f'{percent(row["recall"])}</span></td><td>{between(row["recall_interval"])}</td><td>{percent(row["f1"])}'
            f'</td><td class="text">{taken}</td></tr>')
    macro = facts["macro"]
    rows.append(f'<tr><th scope="row" class="text"><b>mean of the classes</b></th><td>{facts["test_images"]:,}</td>'
                f'<td>{percent(macro["precision"])}</td><td>{percent(macro["recall"])}</td><td></td>'
                f'<td>{percent(macro["f1"])}</td><td></td></tr>')
    heads = [("class", 1), ("test images", 0), ("precision", 0), ("recall", 0), ("95 % interval of the recall", 0),
             ("F1", 0), ("most often taken for", 1)]
    return table("By class", heads, rows)


def confusion_table(facts: Mapping[str, Any]) -> str:
    """The most frequent confusions."""
    rows = [f'<tr><td class="text">{name(facts, row["label"])}</td><td class="text">{name(facts, row["predicted"])}'
            f'</td><td>{row["images"]:,}</td>'
            f'<td>{percent(row["images"] / facts["by_class"][row["label"]]["images"])}</td></tr>'
            for row in facts["confusions"]]
    heads = [("label", 1), ("predicted class", 1), ("images", 0), ("of the label's images", 0)]
    return table("Most frequent confusions", heads, rows) if rows else "<p>No image is confused.</p>"


def table(label: str, heads: Sequence[tuple[str, int]], rows: Sequence[str]) -> str:
    """A table that scrolls, with (heading, whether its column is text)."""
    cells = "".join(f'<th scope="col"{" class=text" if text else ""}>{head}</th>' for head, text in heads)
    return (f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table><thead><tr>{cells}'
            f'</tr></thead><tbody>{"".join(rows)}</tbody></table></div>')


def cards(facts: Mapping[str, Any], cases: Sequence[Mapping[str, Any]], images: Sequence[Images], wording: str,
          part: str = "test") -> str:
    """A card for each case. ``wording`` has the places {label} and {predicted}."""
    small = " small" if facts["input"] <= 64 else ""
    return (f'<ul class="cards{small}">'
            + "".join(f"<li>{_card(facts, case, shown_images, wording, part)}</li>"
                      for case, shown_images in zip(cases, images, strict=True)) + "</ul>")


def _card(facts, case, images, wording, part):
    label, predicted = name(facts, case["label"]), name(facts, case["predicted"])
    heading = wording.format(label=f"<b>{label}</b>", predicted=f'<b class="wrong">{predicted}</b>')
    where = escape(shown(case["file"], 200)) if case["file"] else f"{part} image {case['image']:,}"
    first = figure(images.image, f"{part} image labeled {label}", "" if not images.maps else "the image")
    maps = "".join(figure(uri, f"map of the evidence for {caption}", f"evidence for {caption}", "map")
                   for caption, uri in ((escape(shown(caption, NAME)), uri) for caption, uri in images.maps))
    return (f"<h3>{heading}</h3><p>{predicted} {percent(case['confidence'])}, {label} "
            f"{percent(case['self_confidence'])} <span class=\"quiet\">· {where}</span></p>"
            f'<div class="row{"" if maps else " alone"}" style="--n:3">{first}{maps}</div>'
            + _nearest(facts, case["nearest"], images.nearest))


def _nearest(facts, nearest, uris):
    if not nearest:
        return ""
    items = "".join(
        "<li>" + figure(uri, f"training image labeled {name(facts, row['label'])}",
                        f"{name(facts, row['label'])} {row['similarity']:.2f}") + "</li>"
        for row, uri in zip(nearest, uris, strict=True))
    return f'<p class="quiet">nearest training images</p><ul class="row" style="--n:4">{items}</ul>'


def figure(uri: str, alt: str, caption: str = "", kind: str = "") -> str:
    """An image with an alternative text and a caption, both HTML."""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure><img src="{uri}" alt="{alt}"{f" class={kind}" if kind else ""}>{below}</figure>'


def suspected(facts: Mapping[str, Any], part: str, images: Sequence[Images]) -> str:
    """The cards of suspected label errors among the test or the training images."""
    found = facts["suspects"][part]
    head = f"<h3>{part.capitalize()} images</h3>"
    if isinstance(found, str):
        return f"{head}<p>{escape(found)}</p>"
    number = counted(found["images"], f"label of {found['of']:,} {part} images is suspected",
                     f"labels of {found['of']:,} {part} images are suspected")
    first = f"; the first {len(found['shown'])} are shown" if found["images"] > len(found["shown"]) else ""
    return f"{head}<p>{number}{first}.</p>" + cards(facts, found["shown"], images,
                                                    "labeled {label}, perhaps {predicted}", part)
