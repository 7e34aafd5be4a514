"""The figures to manipulate compute what the library and the lessons compute. Needs Node.js."""

import ast

import javascript
import numpy as np
import pytest

from lessons import catalog
from lessons.book import HERE, widgets
from minigooglenet.kernels.naive_conv import convolve
from minigooglenet.layers import AvgPool, MaxPool, cross_entropy
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.inception import Style, inception
from minigooglenet.models.rows import Inception

LESSONS = {lesson.topic: lesson for lesson in catalog.lessons()}
needs_node = pytest.mark.skipif(javascript.NODE is None, reason="no Node.js")


def evaluate(topic, expression, **values):
    return javascript.evaluate(expression, *widgets.scripts(topic), **values)


def function_of(topic, name):
    """A function that a lesson defines, without running the lesson."""
    source = LESSONS[topic].path.read_text(encoding="utf-8")
    node = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == name)
    space = {"np": np}
    exec(ast.get_source_segment(source, node), space)
    return space[name]


@pytest.mark.parametrize("topic", widgets.WIDGETS)
def test_a_figure_has_its_section_its_equation_and_at_most_150_lines(topic):
    headings = [cell.text.partition("\n")[0] for cell in LESSONS[topic].source()]
    assert f"## {widgets.WIDGETS[topic].section}" in headings
    script = (HERE / "widgets" / f"{topic}.js").read_text(encoding="utf-8")
    assert script.count("\n") <= 150 and "\n//\n//   " in script and f'start("{topic}", ' in script


def test_every_script_has_a_lesson():
    assert {path.stem for path in HERE.glob("widgets/*.js")} == {*widgets.WIDGETS, "widget"}


@needs_node
def test_slide_a_filter():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(6, 9)), rng.normal(size=(3, 3))
    assert np.allclose(evaluate("first_look", "slide(x, w)", x=x.tolist(), w=w.tolist()),
                       function_of("first_look", "slide")(x, w))
    clock = function_of("first_look", "clock")()
    assert np.allclose(evaluate("first_look", "clock()"), clock[2::4, 2::4].mean(axis=2))


@needs_node
def test_drag_the_window():
    rng, found = np.random.default_rng(2), []
    x, w = rng.normal(size=(5, 7)), rng.normal(size=(3, 3))
    cases = [(S, P) for S in (1, 2, 3) for P in (0, 1, 2)]
    for (S, P), y in zip(cases, evaluate("convolution", "cases.map(([S, P]) => convolve(x, w, S, P))",
                                         x=x.tolist(), w=w.tolist(), cases=cases), strict=True):
        found.append(np.allclose(y, convolve(x[None, :, :, None], w[:, :, None, None], np.zeros(1), (S, S),
                                             (P, P))[0, :, :, 0]))
    assert all(found) and len(found) == 9


@needs_node
@pytest.mark.parametrize("kind, layer", [("max", MaxPool), ("average", AvgPool)])
def test_where_the_gradient_goes(kind, layer):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 4, (5, 8)).astype(float)  # few values: ties
    cases, expected = [], []
    for K, S, up in [(3, 2, True), (3, 2, False), (2, 3, True), (2, 1, False), (3, 3, True)]:
        pool = layer(K, stride=S, ceil_mode=up)
        y, cache = pool.forward(x[None, :, :, None])
        dy = rng.normal(size=y.shape)
        cases.append((K, S, up, dy[0, :, :, 0].tolist()))
        expected.append((list(y.shape[1:3]), pool.backward(dy, cache)[0, :, :, 0]))
    found = evaluate("pooling", "cases.map(([K, S, up, dy]) => [[windows(5, K, S, up), windows(8, K, S, up)], "
                     "poolBackward(dy, x, K, S, kind)])", x=x.tolist(), cases=cases, kind=kind)
    for (sizes, dx), (wanted, dx_wanted) in zip(found, expected, strict=True):
        assert sizes == wanted and np.allclose(dx, dx_wanted)


@needs_node
def test_choose_epsilon():
    points = (0.5, -3.25, 40.0)
    for w, (loss, slope) in zip(points, evaluate("backward", "points.map((w) => [loss(w), slope(w)])", points=points),
                                strict=True):
        expected, dz = cross_entropy(np.array([[w, 0.0]]), np.array([0]))
        assert np.isclose(loss, expected, rtol=1e-12, atol=1e-16) and np.isclose(slope, dz[0, 0], rtol=1e-9, atol=1e-16)
    steps = 10.0 ** np.arange(-15, 0.1, 0.25)
    errors = {name: np.array(values) for name, values in evaluate(
        "backward", "Object.fromEntries(Object.keys(CASES).map((n) => [n, steps.map((eps) => errorOf(n, eps))]))",
        steps=steps.tolist()).items()}
    central, one_sided, single = errors["central"], errors["oneSided"], errors["single"]
    assert set(errors["kink"]) == {0.5}  # as the lesson's figure has it, and says why
    assert central.min() < 1e-9 < one_sided.min() < 1e-6 < single.min()
    assert 1e-6 < steps[central.argmin()] < 1e-4 and 1e-3 < steps[single.argmin()] < 0.1


@needs_node
def test_widths_and_cost():
    rows = [row for row in TABLE_1 if isinstance(row, Inception)]
    modules = evaluate("inception", "MODULES")
    assert [[name, *widths] for name, _, _, *widths in modules] == [list(row) for row in rows]
    counted = evaluate("inception", "MODULES.map(([, side, C, ...widths]) => [true, false]"
                       ".map((reduced) => moduleWeights(C, widths, reduced))"
                       ".map(({layers, channels}) => [side ** 2 * total(layers), channels]))")
    for (name, side, C, *widths), found in zip(modules, counted, strict=True):
        for reduced, (macs, channels) in zip((True, False), found, strict=True):
            module = inception(Style(reduced=reduced), C, *widths)
            assert (module.macs((side, side, C)), module.output_shape((side, side, C))[-1]) == (macs, channels), name


@needs_node
def test_choose_sigma():
    cases = ((0.01, 100), (0.1, 100), (0.02**0.5, 100), (0.2, 60))
    found = evaluate("depth", "cases.map(([s, f]) => [predictedSize(s, f, 20), measuredSizes(s, f)])", cases=cases)
    for (sigma, fan_in), (predicted, measured) in zip(cases, found, strict=True):
        assert np.isclose(predicted, (fan_in * sigma**2 / 2) ** 10) and measured[0] == 1 and len(measured) == 21
        assert 0.2 < measured[-1] / predicted < 3  # the lesson allows as much
