"""The network of a learner's own answers: any answer may be missing, wrong, slow or hostile."""

import itertools
import time

import numpy as np
import pytest
from own_answers import SOLUTIONS, answers

from lessons import limit, mine, mine_run, progress
from lessons.mine_layers import OWN
from lessons.mine_parts import PARTS, SIZES, Size, network, rows, wire
from minigooglenet.gradcheck import gradcheck
from minigooglenet.layers import Concat, Conv, MaxPool, Sequential

pytestmark = pytest.mark.usefixtures("own_places")
SMALL = SIZES[-1]


def calls(*names):
    """(Answers with these solutions, the names of those that were called)"""
    called = []

    def counted(name):
        def call(*arguments):
            called.append(name)
            return SOLUTIONS[name](*arguments)
        return call
    return answers({name: counted(name) for name in names}), called


def one_step(asked, size=SMALL, seed=1):
    """(loss, weights after a step) on random images."""
    net = network(size, asked, seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((size.batch + 8, size.side, size.side, 3), np.float32)
    velocity, labels = mine_run.at_rest(net), np.arange(len(x)) % 10
    loss = mine_run.step(net, velocity, asked, *mine_run.batch(asked, 0, x, labels, size, seed), 0.1)
    return loss, net.parameters() | net.state()


# -- the parts ---------------------------------------------------------------------------------------------------------

def test_parts_are_exercises_of_the_lessons():
    topics = mine.lessons_by_topic()
    assert all(part.answer in progress.exercises_of(topics[part.topic]) for part in PARTS)
    assert len({part.answer for part in PARTS}) == len(PARTS)


def test_every_answer_takes_part_and_the_step_is_the_library_s():
    asked, called = calls(*SOLUTIONS)
    loss, arrays = one_step(asked)
    p = mine_run.probabilities(asked, np.ones((2, 10), np.float32))
    assert set(called) == set(SOLUTIONS) and not asked.lost and p.shape == (2, 10)
    expected_loss, expected = one_step(answers())
    assert np.isclose(loss, expected_loss, rtol=1e-5)
    assert all(np.allclose(arrays[name], expected[name], rtol=1e-3, atol=1e-4) for name in expected)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_one_answer_is_enough(name):
    asked, called = calls(name)
    one_step(asked)
    assert set(called) <= {name} and bool(called) == (name != "softmax") and not asked.lost


def test_a_wired_layer_computes_the_library_s_gradients_on_other_shapes():
    rng = np.random.default_rng(4)
    net = Sequential({"conv": Conv(3, 4, 3, stride=2, pad=1, rng=rng, dtype="float64"),
                      "pool": MaxPool(3, 2, ceil_mode=True),
                      "module": Concat({"1x1": Conv(4, 2, 1, rng=rng, dtype="float64")},
                                       {"3x3": Conv(4, 3, 3, pad=1, rng=rng, dtype="float64")})})
    asked, called = calls(*SOLUTIONS)
    report = gradcheck(wire(net, asked), rng.standard_normal((2, 11, 8, 3)))
    assert report.ok and not asked.lost
    assert {"conv_backward", "max_pool_backward", "concat_backward", "inception_backward"} <= set(called)
    assert all(type(layer) in OWN.values() for _, layer in net.walk())


def test_inner_answers_do_not_count_as_the_time_of_the_outer_one():
    asked = answers({"inception": SOLUTIONS["inception"], "one_by_one": SOLUTIONS["one_by_one"]})

    def slow(*arguments):
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        return SOLUTIONS["one_by_one"](*arguments)
    asked.functions["one_by_one"] = slow
    net = wire(Concat({"a": Conv(2, 2, 1, rng=0)}, {"b": Conv(2, 3, 1, rng=0)}), asked)
    net.predict(np.ones((1, 3, 4, 2), np.float32))
    assert asked.seconds["one_by_one"] >= 0.04 > asked.seconds["inception"]


# -- what an answer may do ---------------------------------------------------------------------------------------------

def raises(*arguments):
    return arguments[0][99]


def nan(*arguments):
    return SOLUTIONS["convolve"](*arguments) * np.nan


def writes(x, w, b, S, P):
    x += 1
    return x


@pytest.mark.parametrize("function, said", [
    (raises, "raised IndexError: index 99 is out of bounds for axis 0 with size 8, at "),
    (nan, "returned NaN or infinity"),
    (writes, "read-only"),
    (lambda *a: None, "returned NoneType, expected an array (8, 8, 8, 4)"),
    (lambda *a: np.zeros((8, 8, 4)), "returned the shape (8, 8, 4), expected (8, 8, 8, 4)"),
    (lambda *a: [[1], [2, 3]], "no array"),
    (lambda *a: exit(), "raised SystemExit"),
    (lambda *a: np.ones((1 << 20, 1 << 10)), "was needs more"),
], ids=itertools.count())
def test_an_answer_that_fails_is_named_and_replaced(function, said):
    if "needs more" in said:
        pytest.importorskip("resource")
        said = "more than 1 GB of memory"
    lines = []
    asked = answers({**SOLUTIONS, "convolve": function}, lines)
    loss, arrays = one_step(asked)
    line, = lines
    assert line.startswith("your convolve ") and said in line and "the library's code is used from here on" in line
    assert "\n" not in line and list(asked.lost) == ["convolve"]
    assert np.isclose(loss, one_step(answers())[0], rtol=1e-5)


def test_an_endless_loop_is_stopped_even_around_other_answers(monkeypatch):
    monkeypatch.setattr(limit, "SECONDS", 0.05)

    def endless(x, branches):
        while True:
            branches[0][0][0](x)
    lines = []
    asked = answers({"inception": endless, "convolve": SOLUTIONS["convolve"]}, lines)
    one_step(asked)
    assert "your inception was not finished after 0.05 s" in lines[0] and list(asked.lost) == ["inception"]


@pytest.mark.parametrize("name, function, said", [
    ("pooled_size", lambda *a: 3.5, "returned 3.5 for (8, 3, 2, 0, True), expected the integer 4"),
    ("pooled_size", lambda *a: np.float64(4), "returned 4.0 for (8, 3, 2, 0, True), expected the integer 4"),
    ("pooled_size", lambda *a: 5, "returned 5 for (8, 3, 2, 0, True), expected 4"),
    ("conv_backward", lambda *a: a[1], "returned a ndarray, expected 2 values"),
    ("batch_of", lambda *a: np.full(8, 99), "something else than indices from 0 to 15"),
    ("inception", lambda x, b: (SOLUTIONS["inception"](x, b)[0], []), "caches that do not belong"),
    ("deviation", lambda shape: "small", "expected a number"),
    ("cross_entropy", lambda z, labels: (np.inf, z), "NaN or infinity"),
])
def test_other_wrong_values(name, function, said):
    lines = []
    one_step(answers({name: function}, lines))
    assert said in lines[0] and len(lines) == 1


def test_an_answer_that_empties_its_lists_and_then_fails_is_replaced():
    def takes_away(dys, branches, caches):
        for kept in caches:
            kept.pop()
        return caches.pop()[9]
    lines = []
    loss, arrays = one_step(answers({"inception_backward": takes_away}, lines))
    assert "your inception_backward raised IndexError" in lines[0]
    _, expected = one_step(answers())
    assert all(np.allclose(arrays[name], expected[name], rtol=1e-5) for name in expected)


def test_prints_are_not_shown_and_said_once(capsys):
    def talks(*arguments):
        print("here")
        return SOLUTIONS["convolve"](*arguments)
    lines = []
    one_step(answers({"convolve": talks}, lines))
    assert lines == ["your convolve prints; its output is not shown here"] and "here" not in capsys.readouterr().out


def test_the_gradient_check_finds_the_answer_that_spoils_it():
    def constants(dy, x, gamma, eps):
        _, dgamma, dbeta = SOLUTIONS["batch_norm_backward"](dy, x, gamma, eps)
        return gamma / np.sqrt(x.var(axis=(0, 1, 2)) + eps) * dy, dgamma, dbeta
    lines = []
    asked = answers({"batch_norm_backward": constants, "deviation": SOLUTIONS["deviation"]}, lines)
    assert mine_run.check_gradients(asked, 0, lines.append)
    assert "WRONG" in lines[0] and "your batch_norm_backward spoils the gradient" in lines[1] and "ok" in lines[2]
    assert list(asked.functions) == ["deviation"]


def test_slow_answers_get_smaller_images_and_hopeless_ones_are_named(monkeypatch):
    seconds = {"convolve": 0.0}

    def measured(size, asked, seed):
        asked.seconds["convolve"] = seconds["convolve"] if asked.has("convolve") else 0.0
        return 0.01 * (size.side // 8) ** 2 * size.batch / 8 + asked.seconds["convolve"]
    monkeypatch.setattr(mine_run, "seconds_per_step", measured)
    assert mine_run.choose_size(answers(SOLUTIONS), 75, 0, print)[0] == SIZES[0]
    assert mine_run.choose_size(answers(SOLUTIONS), 5, 0, print)[0] == SIZES[-1]
    seconds["convolve"], lines = 2.0, []
    assert mine_run.choose_size(answers(SOLUTIONS, lines), 75, 0, print)[0] == SIZES[0]
    assert "your convolve is right but slow: 1.0 s of 2.0 s in each step" in lines[0]


def test_the_claim_is_true():
    assert mine_run.claim(len(PARTS)) == "Every line that learned this is yours."
    assert mine_run.claim(len(PARTS) - 1) == f"{len(PARTS) - 1} of the {len(PARTS)} parts that learned this are yours."


def test_it_learns():
    lines = []
    done, _ = mine_run.train(answers(), Size(8, 1, 8), 60, 0, images_of(Size(8, 1, 8)), lines.append)
    assert np.mean(done.losses[-10:]) < np.mean(done.losses[:10]) - 0.3
    assert len(lines) == 21 and done.tests[-1][0] == 60


def images_of(size):
    """Ten colors, to learn quickly."""
    rng, labels = np.random.default_rng(1), np.arange(80) % 10
    x = rng.uniform(-1, 1, (10, 1, 1, 3))[labels] + rng.normal(0, 0.1, (80, size.side, size.side, 3))
    return x.astype(np.float32), labels, x[:20].astype(np.float32), labels[:20]


def test_rows_have_the_paper_s_columns():
    assert [row.name for row in rows(1)][:4] == ["conv1", "pool1", "3a", "pool3"]
