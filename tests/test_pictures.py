"""Every figure renders, its words can be read, and its numbers are those of the structure."""

import pytest
from text_boxes import complaints, shown

from minigooglenet.pictures.gallery import FIGURES
from minigooglenet.pictures.style import box, sheet


def words(fig):
    """All texts of a figure, in one string."""
    return "\n".join(text.get_text() for text, _ in shown(fig))


@pytest.fixture(scope="module")
def drawings():
    """Each figure once, for all tests."""
    return {name: draw() for name, draw in FIGURES.items()}


def test_a_text_on_top_of_another_is_seen():
    fig, ax = sheet(4, 2)
    ax.text(1, 1, "one text")
    assert not complaints(fig)
    ax.text(1.2, 1, "another one")
    assert any("overlaps" in line for line in complaints(fig))


def test_a_text_beyond_the_edge_or_its_box_is_seen():
    fig, ax = sheet(4, 2)
    ax.text(3.8, 1, "too far to the right")
    box(ax, 0.5, 0.5, 0.3, 0.3, "too wide for it")
    assert [line.split("' ")[1][:10] for line in complaints(fig)] == ["leaves the", "leaves its"]


@pytest.mark.parametrize("name", FIGURES)
def test_words_can_be_read(drawings, name):
    assert complaints(drawings[name]) == []


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_printed_too_small(drawings, name):
    assert min(text.get_fontsize() for text, _ in shown(drawings[name])) >= 6


def test_table_2_as_printed(drawings):
    for number in ("16.4 %", "15.3 %", "11.7 %", "11.2 %", "7.35 %", "7.32 %", "6.67 %"):
        assert number in words(drawings["error-by-year"])
