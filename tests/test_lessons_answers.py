"""Answers of learners that are not those of the solutions: right ones pass, and wrong ones get their cause."""

import re

import numpy as np
import pytest
from checking import told

from lessons import check
from lessons.catalog import lessons

LESSONS = {lesson.topic: lesson for lesson in lessons()}


def of(topic, name):
    return next(exercise for exercise in check.exercises(LESSONS[topic]) if exercise.name == name)


def momentum_on_a_copy(w, v, g, lr, momentum):
    v = v.copy()
    v *= momentum
    v += g
    return w - lr * v, v


def depth_by_pop(net, pools=False):
    if isinstance(net, str):
        return int(net in ("conv", "dense") or pools and net == "pool")
    if isinstance(net, tuple):
        return max(depth_by_pop(part, pools) for part in net)
    total = 0
    while net:
        total += depth_by_pop(net.pop(), pools)
    return total


def gradient_by_pop(dys, branches, caches):
    total = 0
    for dy, steps, kept in zip(dys, branches, caches, strict=True):
        while steps:
            dy = steps.pop()[1](dy, kept.pop())
        total = total + dy
    return total


def boxes_half_up(width, height, size, scales):
    found = []
    for shorter in scales:
        w, h = (int(side * shorter / min(width, height) + 0.5) for side in (width, height))
        spare, far, middle = max(w, h) - shorter, shorter - size, (shorter - size) // 2
        for step in (0, spare // 2, spare):
            left, top = (step, 0) if w >= h else (0, step)
            for dx, dy in ((0, 0), (far, 0), (0, far), (far, far), (middle, middle), (0, 0)):
                found.append((shorter, left + dx, top + dy, size))
            found[-1] = (*found[-1][:3], shorter)
    return np.array([(*box, mirrored) for box in found for mirrored in (0, 1)])


@pytest.mark.parametrize("topic, name, answer", [
    ("recipe", "momentum_step", momentum_on_a_copy),
    ("table_1", "depth", depth_by_pop),
    ("mine", "inception_backward", gradient_by_pop),
    ("crops", "boxes", boxes_half_up),
])
def test_another_right_answer_passes(topic, name, answer):
    verdict = check.judge(of(topic, name), answer, LESSONS[topic].beside("solutions"))
    assert verdict.status == "passes", verdict.text


def test_an_answer_that_empties_its_lists_gets_its_cause():
    """The lists are the answer's own: the message shows those of the case, and a mistake is recognized in all cases."""
    def last_branch(dys, branches, caches):
        for dy, steps, kept in zip(dys, branches, caches, strict=True):
            while steps:
                dy = steps.pop()[1](dy, kept.pop())
        return dy

    text = told(of("mine", "inception_backward"), last_branch)
    assert "likely cause each branch overwrites dx: add, do not assign" in text
    text = told(of("table_1", "depth"), lambda net, pools: len([net.pop() for _ in list(net)]) if net else 0)
    assert "called with net []" not in text


def test_a_stub_whose_obvious_answer_has_another_dtype_says_which():
    def by_corrcoef(x, K):
        N, H, W, C = x.shape
        windows = np.lib.stride_tricks.sliding_window_view(x, (K, K), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
        with np.errstate(all="ignore"):
            r = np.nan_to_num(np.corrcoef(windows.reshape(-1, K * K * C), rowvar=False))
        return r.reshape(K, K, C, K, K, C)[K // 2, K // 2]

    exercise, stub = of("why_inception", "correlations"), LESSONS["why_inception"].beside("exercises")
    assert "the values are right, the dtype is not" in told(exercise, by_corrcoef)
    assert check.judge(exercise, lambda x, K: by_corrcoef(x, K).astype(x.dtype), stub).status == "passes"
    assert "in the dtype of x" in re.sub(r"\s+", " ", check.load(stub)["correlations"].__doc__)
