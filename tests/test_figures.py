"""Every figure renders, its text is readable, and its values are those of the structure."""

import matplotlib
import pytest
from matplotlib.text import Text
from text_boxes import complaints, shown

from minigooglenet.cli import main
from minigooglenet.commands import figures
from minigooglenet.errors import UserError
from minigooglenet.figures import reduction
from minigooglenet.figures.ablation import TABLE_3, Series, ablation
from minigooglenet.figures.blocks import fill_of, operation, size
from minigooglenet.figures.gallery import FIGURES
from minigooglenet.figures.inception import inception
from minigooglenet.figures.network import network
from minigooglenet.figures.style import box, sheet
from minigooglenet.figures.systems import SYSTEMS
from minigooglenet.flops import count
from minigooglenet.flops.report import MODULES
from minigooglenet.models.catalog import CATALOG


def texts_of(fig):
    """All texts of a figure, in the order in which they were drawn, visible or not (checking that takes time)."""
    return [text.get_text() for text in fig.findobj(Text)]


def words(fig):
    """All texts in one string."""
    return "\n".join(texts_of(fig))


@pytest.fixture(scope="module")
def drawings():
    """Each figure once, for all tests."""
    return {name: draw() for name, draw in FIGURES.items()}


def test_overlapping_texts_are_found():
    fig, ax = sheet(4, 2)
    ax.text(1, 1, "one text")
    assert not complaints(fig)
    ax.text(1.2, 1, "another one")
    assert any("overlaps" in line for line in complaints(fig))


def test_texts_outside_the_figure_or_their_box_are_found():
    fig, ax = sheet(4, 2)
    ax.text(3.8, 1, "too far to the right")
    box(ax, 0.5, 0.5, 0.3, 0.3, "too wide for it")
    assert [line.split("' ")[1][:10] for line in complaints(fig)] == ["leaves the", "leaves its"]


@pytest.mark.parametrize("name", FIGURES)
def test_texts_are_readable(drawings, name):
    assert complaints(drawings[name]) == []


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_printed_too_small(drawings, name):
    assert min(text.get_fontsize() for text, _ in shown(drawings[name])) >= 6


def test_table_2_as_printed(drawings):
    for number in ("16.4 %", "15.3 %", "11.7 %", "11.2 %", "7.35 %", "7.32 %", "6.67 %"):
        assert number in words(drawings["error-by-year"])


def test_reduction_is_counted_by_hand(drawings):
    text = words(drawings["reduction"])
    assert f"{14 * 14 * 48 * 5 * 5 * 480 / 1e6:.1f} M" in text  # 112.9 M
    assert "1.5 M + 3.8 M = 5.3 M" in text and "21.4 times" in text
    assert "3,881 M" in text and "1,104 M" in text and "12,085 M" in text and "4,944 maps" in text


def test_reduction_of_another_branch():
    one = reduction.branch("3b", "3x3")
    assert (one.direct, one.first, one.second) == (346_816_512, 25_690_112, 173_408_256)
    assert "346.8 M" in words(reduction.reduction(one))


@pytest.mark.parametrize("row", MODULES, ids=lambda row: row.name)
def test_inception_shows_the_widths_of_any_module(row):
    fig = inception(row.name)
    assert complaints(fig) == []
    texts = texts_of(fig)
    _, n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj = row
    for maps in (n3x3_reduce, n5x5_reduce):
        assert any(text.startswith(f"1×1 conv\n{maps} maps") for text in texts)
    for maps in (n1x1, n3x3, n5x5, pool_proj):
        assert str(maps) in texts  # the parts of the bar
    assert any(f"×{n1x1 + n3x3 + n5x5 + pool_proj} out" in text for text in texts)


def test_inception_4a_multiply_adds(drawings):
    text = words(drawings["inception"])
    assert "14×14×928 out, 307.1 M" in text and "14×14×512 out, 73.6 M" in text


def test_no_such_module():
    with pytest.raises(UserError, match="choose 3a, 3b"):
        inception("6a")


def test_pooling_is_counted_by_hand(drawings):
    text = words(drawings["pooling"])
    assert f"{7 * 7 * 1024 * 1024:,} weights" in text and "\n0 weights" in text  # 51,380,224 against 0
    assert "58.4 M" in text and "7.0 M" in text


#: Layers with weights, as the papers count them.
DEPTHS = {"googlenet": 22, "googlenet-torchvision": 22, "mini": 22, "googlenet-naive": 13, "lenet5": 5, "alexnet": 8,
          "zfnet": 8, "nin": 12, "vgg16": 16, "vgg19": 19}


@pytest.mark.parametrize("model", CATALOG)
def test_every_layer_of_any_network_is_drawn(model):
    fig = network(model)
    assert complaints(fig) == []
    assert fig.get_figheight() < 11  # A4, with margins
    texts = texts_of(fig)
    counted = count(model)
    assert any(f"{counted.params:,} parameters, {counted.macs:,} multiply-adds" in text for text in texts)
    for row in counted.modules:
        assert row.kind == "flatten" or row.name in texts
    assert f" {DEPTHS.get(model, '')} layers with weights" in words(fig) or model not in DEPTHS
    outputs = [size(row.output) for row in counted.modules if row.kind != "flatten"]
    assert [text for text in texts if text in outputs] == outputs


def test_operations_come_from_the_layers_attributes():
    def texts(model, names, **options):
        rows = {row.name: row for row in count(model, **options).blocks}
        return [operation(rows[name]) for name in names]

    names = ("conv1", "pool1", "norm1", "4a/3x3", "4a/pool", "pool5", "dropout", "aux1/pool", "aux1/fc")
    assert texts("googlenet", names, heads=True) == [
        "7×7/2 conv", "3×3/2 max pool", "LRN", "3×3 conv", "3×3 max pool", "global average pool", "dropout 40%",
        "5×5/3 avg pool", "dense 2048→1024"]
    assert texts("alexnet", ("conv1", "conv2", "fc6")) == ["11×11/4 conv", "5×5 conv in 2 groups", "dense 9216→4096"]
    assert texts("googlenet-torchvision", ["aux1/pool"], heads=True) == ["4×4 adaptive avg pool"]
    fills = {row.name: fill_of(row) for row in count("googlenet").blocks}
    assert fills["4a/3x3"] == fills["conv2"] != fills["4a/1x1"] != fills["4a/5x5"] == fills["conv1"]
    assert fills["pool1"] == fills["pool5"] != fills["norm1"] and fills["dropout"] == "white"


def test_heads_are_drawn_as_side_branches(drawings):
    text = words(drawings["network"])
    assert "3,188,840 params" in text and "3,190,888 params" in text
    assert "aux1" not in words(network(heads=False))


def test_table_1_marks_what_disagrees(drawings):
    fig = drawings["table-1"]
    text = words(fig)
    assert "13 of 24 counts agree" in text
    texts = texts_of(fig)
    assert [t for t in texts if t.startswith("≠")] == [f"≠ {i}" for i in range(1, 9)]
    for printed, ours in (("2.7K", "9.2K"), ("34M", "118.0M"), ("463K", "498.1K"), ("54M", "51.1M"),
                          ("1,502M", "1,582.7M")):
        assert texts[texts.index(printed) + 1] == ours
    assert texts.count("7×7/1") == texts.count("7×7/2") == 1 and texts.count("3×3/2") == 4
    orange = [patch for patch in fig.axes[0].patches if patch.get_facecolor()[:3] != (1, 1, 1)]
    assert len(orange) == 11  # a shade for each count that disagrees, visible in print with its ≠


def test_table_3_as_printed(drawings):
    text = words(drawings["ablation"])
    for number in ("10.07 %\n1 pass", "9.15 %\n10 passes", "7.89 %\n144 passes", "8.09 %\n7 passes",
                   "7.62 %\n70 passes", "6.67 %\n1,008 passes"):
        assert number in text


@pytest.mark.parametrize("rows", [
    ((1, 1, 12.5), (1, 2, 11.9), (1, 10, 11.8), (7, 1, 9.31), (7, 2, 9.3), (7, 10, 9.28)),
    ((1, 1, 12.5), (7, 1, 12.4)),  # almost the same
    ((1, 1, 12.5), (1, 10, 12.5), (1, 144, 12.5)),
    ((3, 10, 7.0),),
])
def test_a_measured_ablation_is_drawn_next_to_the_papers(rows):
    fig = ablation(TABLE_3, Series("ours", rows, "error", "Ours: seeds 0 to 6."))
    assert complaints(fig) == []
    for models, crops, error in rows:
        assert f"{error:g} %\n{models * crops:,} pass" in words(fig)
    assert len(fig.axes) == 2 and "seeds 0 to 6" in words(fig) and "10.07 %" in words(fig)


def test_systems_are_counted_from_the_structure(drawings):
    text = words(drawings["systems"])
    for system in SYSTEMS:
        counted = count(system.model)
        assert f"{counted.params / 1e6:.1f} M params, {counted.macs / 1e9:.2f} G MACs" in text
    text = text.replace("\n", " ")
    assert "9.8 times fewer multiply-adds" in text and "19.8 times fewer parameters" in text
    for error in ("18.2 %", "16.5 %", "7.2 %", "7.1 %", "7.89 %", "no top-5 error published"):
        assert error in text


def test_systems_texts_do_not_overlap_the_bubbles(drawings):
    fig = drawings["systems"]
    texts, (ax,) = shown(fig), fig.axes
    for bubble in ax.collections:
        (size,), (center,) = bubble.get_sizes(), ax.transData.transform(bubble.get_offsets())
        radius = size ** 0.5 / 2 * fig.dpi / 72
        for text, extent in texts:
            nearest = (min(max(c, low), high) for c, low, high in zip(center, extent.min, extent.max, strict=True))
            assert sum((a - b) ** 2 for a, b in zip(nearest, center, strict=True)) > radius ** 2, text.get_text()


# -- the command ----------------------------------------------------------------------------------------------------

def run(*arguments):
    return main(["figures", *map(str, arguments)])


def test_the_command_draws_the_named_figures(tmp_path, capsys):
    assert run("network", "inception", "--model", "lenet5", "--module", "3b", "--out", tmp_path, "--dpi", 60) == 0
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == ["inception-3b.png", "network-lenet5.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert sorted(capsys.readouterr().out.split()) == [str(path) for path in written]


def test_the_same_again_is_the_same_file(tmp_path):
    files = []
    for folder in ("one", "two"):
        assert run("error-by-year", "--out", tmp_path / folder, "--format", "svg") == 0
        files.append((tmp_path / folder / "error-by-year.svg").read_bytes())
    assert files[0] == files[1] and files[0].startswith(b"<?xml") and b"dc:date" not in files[0]


def test_pdf_has_no_creation_date(tmp_path):
    assert run("error-by-year", "--out", tmp_path, "--format", "pdf") == 0
    written = (tmp_path / "error-by-year.pdf").read_bytes()
    assert written.startswith(b"%PDF") and b"CreationDate" not in written


@pytest.mark.parametrize("arguments, words", [
    (("netwrok",), "did you mean network?"), (("inception", "--module", "9z"), "choose 3a"),
    (("network", "--model", "resnet"), "no network is called"), (("--dpi", 3), "20 to 600"),
    (("pooling", "--module", "3b"), "applies to"), (("pooling", "--out", "/dev/null/here"), "cannot be written")])
def test_wrong_input_gives_one_line(capsys, arguments, words):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_every_figure_is_in_the_description():
    assert all(f"\n  {name} " in figures.DESCRIPTION for name in FIGURES)


def test_style_does_not_depend_on_the_users_settings():
    with matplotlib.rc_context({"font.size": 30, "font.family": "serif", "axes.facecolor": "black"}):
        before = dict(matplotlib.rcParams)
        fig = FIGURES["error-by-year"]()
        assert dict(matplotlib.rcParams) == before
    assert complaints(fig) == []
