"""Solutions of lesson 17."""

import numpy as np

MEAN = (104, 117, 123)  # blue, green, red


def prepare(photos):
    """Floats first, because uint8 has no negative values; then reverse the last axis; then subtract the mean."""
    return photos.astype(np.float32)[..., ::-1] - np.array(MEAN, np.float32)


def top_5(logits):
    """Subtracting the largest logit changes no probability and keeps exp from overflowing."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    classes = np.argsort(-p, axis=1)[:, :5]
    return classes, np.take_along_axis(p, classes, axis=1)


def diagnose(photos, fed):
    """Make every mistake on purpose, and see which one gives the same values."""
    right = prepare(photos)
    suspects = {"nothing": right, "colors": right[..., ::-1], "mean": right + np.array(MEAN, np.float32),
                "scale": right / 255, "axes": right.transpose(0, 2, 1, 3)}
    for name, suspect in suspects.items():
        if suspect.shape == fed.shape and np.allclose(suspect, fed, atol=1e-3):
            return name
