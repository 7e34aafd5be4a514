"""Temperature scaling: one number makes the confidence of a network honest.

    python examples/temperature.py                          # a network that has overfitted a few drawn shapes
    python examples/temperature.py report/predictions.npz   # yours, after: evaluate --report report
"""

import sys

import numpy as np

from minigooglenet.data import Dataset, shapes10
from minigooglenet.inference import metrics
from minigooglenet.training.config import Config
from minigooglenet.training.evaluate import probabilities
from minigooglenet.training.trainer import Trainer


def overfitted():
    """(p, y): probabilities and labels of test images."""
    data = Dataset("shapes", *shapes10.draw(150, 1, split=0), *shapes10.draw(600, 1, split=1), shapes10.CLASSES)
    trainer = Trainer(Config(width=0.125, epochs=30, batch=25, lr=0.1, heads=False, average=0), data)
    trainer.run()
    return probabilities(trainer.net, data.x_test, trainer.normalizer), data.y_test


saved = np.load(sys.argv[1]) if len(sys.argv) > 1 else None
p, y = (saved["p"], saved["y"]) if saved else overfitted()
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
