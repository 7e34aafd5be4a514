"""Temperature scaling: one number calibrates the confidence of a network.

    python examples/temperature.py                          # a synthetic overconfident classifier
    python examples/temperature.py report/predictions.npz   # yours, after: evaluate --report report
"""

import sys

import numpy as np

from minigooglenet.inference import metrics
from minigooglenet.layers import softmax


def overconfident(N=4000, K=10, factor=2.5):
    """(p, y): labels drawn from softmax(z), and and the predictions softmax(factor · z): T = factor is right."""
    rng = np.random.default_rng(0)
    z = 1.5 * rng.normal(size=(N, K))
    y = (softmax(z).cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    return softmax(factor * z), y


saved = np.load(sys.argv[1]) if len(sys.argv) > 1 else None
p, y = (saved["p"], saved["y"]) if saved else overconfident()
half, other = np.arange(len(y)) % 2 == 0, np.arange(len(y)) % 2 == 1

choices = np.exp(np.linspace(np.log(0.2), np.log(5), 201))
losses = [metrics.negative_log_likelihood(metrics.with_temperature(p[half], T), y[half]) for T in choices]
best = choices[np.argmin(losses)]

print(f"accuracy {np.mean(p[other].argmax(axis=1) == y[other]):.1%}, whatever the temperature")
for T in (1.0, best):
    q = metrics.with_temperature(p[other], T)
    print(f"T = {T:4.2f}   mean confidence {q.max(axis=1).mean():.1%}   "
          f"ECE {metrics.calibration_error(metrics.reliability(q, y[other])):.1%}   "
          f"negative log-likelihood {metrics.negative_log_likelihood(q, y[other]):.3f}")
