"""The checks find every mistake that ``mutants.py`` makes of a solution, but for those that are none."""

import warnings

import numpy as np
import pytest
from mutants import mutants

from lessons import check, limit
from lessons.catalog import lessons

#: Reviewed: changes that leave an answer right, or that no check can be expected to find.
REVIEWED = """\
# every element is assigned, or cut off, later
convolve: np.zeros -> np.ones in y = np.zeros((N, OH, OW, F), x.dtype)
check_gradient: np.zeros -> np.ones in differences = np.zeros(x.shape)
col2im: 2 -> 3 in padded = np.zeros((N, H + 2 * P, W + 2 * P, C), columns.dtype)
# 0 / 1 is 0 / 2; a mean is the largest where the sum is; a unit that is left has a neighbor, itself
correlations: 1 -> 2 in return a / np.where(size > 0, size, 1)
clusters: near[:, left].sum -> near[:, left].mean in leader = np.where(left, near[:, left].sum(axis=1), -1).argmax()
clusters: -1 -> 0 in leader = np.where(left, near[:, left].sum(axis=1), -1).argmax()
# the division leaves no rest
batch_norm_backward: x.size // x.shape[-1] -> x.size / x.shape[-1] in M, std = x.size // x.shape[-1], np.sqrt(x.var(axis=AXES) + eps)
grouped_conv: C // groups -> C / groups in weights = K * K * (C // groups) * F
# brightness never makes a pixel negative
distort: 0 -> -1 in x = np.clip(brightness * x, 0, 255)
# macs do not count heads
choose_width: mini_googlenet(width, heads=False) -> mini_googlenet(width) in allowed = [width for width in widths if mini_googlenet(width, heads=False).macs((32, 32, 3)) <= budget]
choose_width: False -> True in allowed = [width for width in widths if mini_googlenet(width, heads=False).macs((32, 32, 3)) <= budget]
# the exercise does not ask for logits of any size
train: z - z.max(axis=1, keepdims=True) -> z + z.max(axis=1, keepdims=True) in p = np.exp(z - z.max(axis=1, keepdims=True))
train: z - z.max(axis=1, keepdims=True) -> z in p = np.exp(z - z.max(axis=1, keepdims=True))
train: z.max(axis=1, keepdims=True) -> z.max(keepdims=True) in p = np.exp(z - z.max(axis=1, keepdims=True))
train: z.max -> z.min in p = np.exp(z - z.max(axis=1, keepdims=True))
# the defaults are right, too
top_5: np.argsort(-p, axis=1) -> np.argsort(-p) in classes = np.argsort(-p, axis=1)[:, :5]
top_5: np.take_along_axis(p, classes, axis=1) -> np.take_along_axis(p, classes) in return classes, np.take_along_axis(p, classes, axis=1)
diagnose: np.allclose(suspect, fed, atol=0.001) -> np.allclose(suspect, fed) in if suspect.shape == fed.shape and np.allclose(suspect, fed, atol=1e-3):
top_error: np.argsort(-p, axis=1) -> np.argsort(-p) in best = np.argsort(-p, axis=1)[:, :top]
# in a square image all three squares are the same
boxes: w >= h -> w > h in left, top = (step, 0) if w >= h else (0, step)
""".splitlines()  # noqa: E501


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.number)
@pytest.mark.filterwarnings("ignore")
def test_a_changed_solution_fails(lesson, monkeypatch):
    monkeypatch.setattr(check, "SEARCH", 0.0)       # only the verdict matters, not its cause
    monkeypatch.setattr(limit, "SECONDS", 1.0)      # some never end
    path, passed = lesson.beside("solutions"), []
    for exercise in check.exercises(lesson):
        cases = list(exercise.cases())
        exercise.cases = lambda cases=cases: cases  # once for all
        for changed, source in mutants(path.read_text(encoding="utf-8"), exercise.name):
            space = {"__name__": path.stem, "__file__": str(path)}
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(source, str(path), "exec"), space)
                if check.judge(exercise, space[exercise.name], path).status == "passes":
                    passed.append(f"{exercise.name}: {changed}")
    assert [line for line in passed if line not in REVIEWED] == []
