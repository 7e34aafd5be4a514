"""The checker: which causes are named, and what an answer may be."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from checking import LESSON, exercise, told

from lessons import catalog, causes, check, progress

HERE = Path(__file__)
MISTAKES = [(lesson, exercise, mistake) for lesson in catalog.lessons() for exercise in check.exercises(lesson)
            for mistake in exercise.mistakes]
RANDOM = [(lesson, exercise) for lesson in catalog.lessons() for exercise in check.exercises(lesson)
          if exercise.random_cases]

#: Reviewed: the general cause of each common mistake, if the checker did not know the mistake. All others have none.
GENERAL = """\
edge_strength one_direction: all values are 0
receptive_field pixel_forgotten: always 1 too small
output_size no_one_added: always 1 too small
output_size rounded_up: always 1 too large
output_size true_division: the answer is a whole number: round the division down: //
convolve height_for_width: height and width are swapped
convolve no_bias: b is not added
convolve padded_at_one_end: height or width is wrong
col2im padding_kept: height or width is wrong
col2im cut_from_the_end: the answer is empty
conv_backward dw_averaged: dw: all values are 2 times too small
softmax overflowing: NaN or infinity
softmax one_maximum: NaN or infinity
cross_entropy base_2: loss: that is the logarithm to base 2
cross_entropy base_10: loss: that is the logarithm to base 10
combined_loss base_2: loss: that is the logarithm to base 2
cross_entropy gradient_not_averaged: dz: all values are 2 times too large
cross_entropy summed: loss: all values are 2 times too large
cross_entropy other_sign: dz: the sign is wrong
cross_entropy logarithm_of_p: NaN or infinity
pooled_size always_down: always 1 too small
pooled_size always_up: always 1 too large
pooled_size no_one_added: always 1 too small
pooled_size last_one_kept: always 1 too large
conv_macs flops_for_macs: always 2 times too large
conv_macs window_once: K times too small
conv_macs channels_forgotten: C times too small
conv_macs filters_forgotten: F times too small
branch_cost no_difference: FLOPs: always 2 times too small
branch_cost halved: FLOPs: always 4 times too small
one_by_one stride_ignored: height or width is wrong
one_by_one bias_forgotten: b is not added
one_by_one stride_on_height_only: height or width is wrong
one_by_one strides_from_the_end: height or width is wrong
naive_chain return_in_the_loop: only the first entry is there
correlations u_and_v_exchanged: height and width are swapped
correlations channels_exchanged: axes 0 and 3 are swapped
correlations nan_if_constant: NaN or infinity
gap_backward undivided: H·W times too large
gap_backward batch_averaged_too: all values are 2 times too small
gap_backward divided_by_height: W times too large
gap_backward divided_by_everything: C times too small
activation_map map_divided: M: H·W times too small
fitting_reductions only_the_first: only the first entry is there
batch_norm per_pixel: NaN or infinity
polyak aliased: every entry equals the last
mirror the_others: the answer is flipped along axis 2
prepare red_first_with_its_mean: the answer is flipped along axis 3
prepare divided: always 255 times too small
top_5 worst_first: classes: the answer is flipped along axis 1
average overflows: NaN or infinity
average one_maximum: NaN or infinity
top_error in_percent: always 100 times too large
top_error counted: all values are 7 times too large
input_gradient not_halved: always 2 times too large
grad_cam summed_gradients: H·W times too large
grad_cam mean_over_channels: C times too small
grouped_conv one_group_only: parameters: groups times too small
grouped_conv parameters_only: MACs: groups times too large
grouped_conv flops: MACs: always 2 times too large
dense_shares swapped: the parts are in another order: return fraction
dense_shares percent: fraction
chain weights_only: MACs: H·W times too small
residual_backward averaged: dx: always 2 times too small
"""


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))


def named(parts):
    return f"{parts[0].topic}-{parts[1].name}" + (f"-{parts[2].function.__name__}" if len(parts) > 2 else "")


def cause(exercise, attempt):
    found = re.search("likely cause (.*)", told(exercise, attempt))
    return found[1] if found else ""


# -- causes never lie --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lesson, exercise, mistake", MISTAKES, ids=[named(m) for m in MISTAKES])
def test_no_general_cause_for_a_mistake_of_another_kind(lesson, exercise, mistake):
    cases = [case for case in exercise.cases() if isinstance(case, check.Case)]
    exercise = dataclasses.replace(exercise, cases=lambda: cases)
    if check.judge(exercise, mistake.function, HERE).status == "passes":
        pytest.skip("a Property finds it, which names causes of its own")
    reviewed = dict(line.split(": ", 1) for line in GENERAL.splitlines())
    unknown = dataclasses.replace(exercise, mistakes=[m for m in exercise.mistakes if m.hint == "-"])
    said, wanted = cause(unknown, mistake.function), reviewed.get(f"{exercise.name} {mistake.function.__name__}", "")
    assert said.startswith(wanted) and bool(said) == bool(wanted), "review it, and add it to GENERAL"


X = np.random.default_rng(1).standard_normal((2, 5, 4, 3))
BIAS = np.random.default_rng(2).standard_normal(3)


@pytest.mark.parametrize("attempt, said", [
    (lambda x, b: x, "b is not added"),
    (lambda x, b: x - b, "b is subtracted; add it"),
    (lambda x, b: x + 2 * b, "b is added twice"),
    (lambda x, b: x + b + 0.5, ""),
    (lambda x, b: (x + b).transpose(0, 3, 1, 2), "the channels come last here (NHWC)"),
    (lambda x, b: (x + b).transpose(0, 2, 1, 3), "height and width are swapped"),
    (lambda x, b: (x + b)[..., None], "an axis of length 1 is left over"),
    (lambda x, b: (x + b).reshape(2, -1, 3), "the values are right, the shape is not"),
    (lambda x, b: np.where(np.arange(2)[:, None, None, None] == 0, x + b, 0), "only the first image"),
    (lambda x, b: np.pad((x + b)[:, :1, :1], ((0, 0), (0, 4), (0, 3), (0, 0))), "only the first window is computed"),
    (lambda x, b: np.pad((x + b)[:, :1], ((0, 0), (0, 4), (0, 0), (0, 0))), "only the first row is computed"),
    (lambda x, b: np.pad((x + b)[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1), (0, 0))), "wrong only at the border"),
    (lambda x, b: (x + b).astype(np.float32), "the values are right, the dtype is not"),
])
def test_a_cause_follows_from_the_values(attempt, said):
    assert cause(exercise(lambda x, b: x + b, (X, BIAS), (3 * X, -BIAS)), attempt).startswith(said)


def test_one_row_says_nothing_about_a_bias():
    row = exercise(lambda x: 2 * x, (np.array([[1.0, 2, 3]]),), (np.array([[5.0, 1, 2]]),))
    assert cause(row, lambda x: 2 * x + 1) == ""


def test_a_factor_is_named_after_what_varies_with_it():
    count = exercise(lambda K, C: K * K * C, (3, 4), (5, 4), (2, 7))
    assert cause(count, lambda K, C: K * C) == "K times too small"
    assert cause(count, lambda K, C: C) == "K² times too small"
    assert cause(count, lambda K, C: 2 * K * K * C) == "always 2 times too large"
    assert cause(count, lambda K, C: K * K * C + (K == 3) * 36) == ""  # twice in one case only


def test_a_dtype_is_reported_as_a_dtype_even_if_rounding_shows():
    images = exercise(lambda x: x / 3, (X.astype(np.float32),))
    text = told(images, lambda x: x.astype(np.float64) / 3)
    assert "float64, expected float32" in text and "border" not in text
    assert "float64, expected float32: 120 of 120" in told(images, lambda x: x.astype(np.float64) / 2)


def test_parts_are_named():
    both = exercise(lambda x: (x.sum(), [x, 2 * x]), (X,), (2 * X,), returns=("dx", "dws"))
    assert "dws[1]" in told(both, lambda x: (x.sum(), [x, x]))
    assert cause(both, lambda x: ([x, 2 * x], x.sum())) == "the parts are in another order: return dx, dws"
    assert cause(both, lambda x: (x.sum(), [x, -2 * x])) == "dws[1]: the sign is wrong"


def test_one_part_of_several_is_named():
    both = exercise(lambda x: (x, x.sum()), (X,), (2 * X,), returns=("dx", "loss"))
    assert cause(both, lambda x: x) == "only dx is there: return dx, loss"
    assert "(2, 5, 4, 3) float64, expected 2 values (dx, loss)" in told(both, lambda x: x)
    assert cause(both, lambda x: 3 * x) == ""


def test_a_mistake_in_one_part_says_in_which():
    mistake = check.Mistake(lambda x: (x, 2 * x.sum()), "do not double it")
    asked = exercise(lambda x: (x, x.sum()), (X,), (2 * X,), returns=("dx", "loss"), mistakes=[mistake])
    assert cause(asked, lambda x: (-x, 2 * x.sum())) == "dx: the sign is wrong"
    assert cause(asked, lambda x: (x, 2 * x.sum())) == "do not double it"


def test_a_known_mistake_must_agree_in_all_cases():
    sizes = check.exercises(LESSON)[0]
    assert cause(sizes, lambda size, K, S, P: (size + 2 * P - K) // S) == sizes.mistakes[0].hint
    assert cause(sizes, lambda size, K, S, P: 2) == ""  # what no_one_added gives in the first case


def test_the_best_of_several_mistakes_is_named():
    """An answer that equals a mistake in three of four cases gets its hint, and not that of another one."""
    first = check.Mistake(lambda x: x * 2, "the first")
    asked = exercise(lambda x: x, (X,), (-X,), (2 * X,), (3 * X,), mistakes=[first, check.Mistake(np.cos, "the last")])
    assert cause(asked, lambda x: x * 2 if x.flat[0] < 2.5 * X.flat[0] else x * 5) == "the first"


def test_answers_that_once_passed():
    solutions = check.load(catalog.find(2).beside("solutions"))
    exercise = check.exercises(catalog.find(2))[2]
    assert "the dtype is not" in told(exercise, lambda *arguments: solutions["col2im"](*arguments).astype(float))


# -- an answer may be anything -----------------------------------------------------------------------------------------

class Hostile:
    def __eq__(self, other):
        raise RuntimeError("no")

    def __array__(self, dtype=None):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


ANYTHING = [None, True, "words", {}, {"a": 1}, [], (), [[1, 2], [3]], [None], 1j, float("nan"), float("inf"), 10**5000,
            np.nan, X, X[0] * np.nan, X.astype(complex), X.astype(object), np.array("a"), np.full(1, None),
            np.zeros(0), np.broadcast_to(1.0, (10**6, 10**6)), np.ma.masked_array([1.0], True), (n for n in "ab"),
            Hostile(), Hostile, [Hostile()], (X, X), np.zeros(3, "datetime64[s]"), np.zeros(2, [("a", int)]),
            np.bool_(True)]


@pytest.mark.parametrize("right", [X, X.astype(np.float32), 3, 0.5, "ceil", (1, 2), [0.5, 2.0], {"x": 3},
                                   (X, [X, X]), None], ids=lambda right: type(right).__name__)
def test_any_answer_gets_a_verdict(right):
    asked = exercise(lambda n: right, (1,), (2,))
    for given in ANYTHING:
        if given is right or right is None and given is None:
            continue
        assert check.judge(asked, lambda n, given=given: given, HERE).status == "wrong"


def test_a_property_that_cannot_use_the_answer_says_so():
    asked = check.Exercise("it", ("a", "b", "c"), lambda: [check.Property("sum", lambda attempt: sum(attempt()))])
    assert "your answer None problem an answer of this kind cannot be tested (TypeError" in told(asked, lambda: None)


# -- random cases ------------------------------------------------------------------------------------------------------

def test_the_main_exercises_have_random_cases():
    assert len(RANDOM) >= 8


@pytest.mark.parametrize("lesson, exercise", RANDOM, ids=[named(e) for e in RANDOM])
def test_solutions_pass_random_cases(lesson, exercise):
    solution = check.load(lesson.beside("solutions"))[exercise.name]
    for seed in range(3):
        more = check.cases_of(exercise, seed)[len(list(exercise.cases())):]
        assert len(more) >= 3
        asked = dataclasses.replace(exercise, cases=lambda more=more: more, random_cases=None)
        assert check.judge(asked, solution, HERE).status == "passes"
    labels = [case.label for case in more]
    assert labels == [case.label for case in check.cases_of(exercise, seed)][-len(more):]
    assert labels != [case.label for case in check.cases_of(exercise, seed + 1)][-len(more):]


def test_teaching_lists_every_lesson_and_only_exercises_that_exist():
    text = (catalog.HERE / "TEACHING.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d\d) \| (.*)$", text, re.MULTILINE))
    for lesson in catalog.lessons():
        listed = re.findall(r"`(\w+)` \(\d+ ·+\)", rows[lesson.number])
        assert listed in ([], progress.exercises_of(lesson)), lesson.number
        assert f"* **{lesson.number}** " in text
    assert len(text.splitlines()) <= 200


def test_a_cause_is_searched_only_among_comparable_values():
    assert causes.general_cause([causes.Outcome(Hostile(), X, {})]) == ""
