"""The reduced GoogLeNet behind the interface of scikit-learn: fit, predict, score. Needs no scikit-learn."""

import inspect

import numpy as np

from .data import Augment, Dataset
from .errors import UserError
from .training.config import Config
from .training.evaluate import probabilities
from .training.trainer import Trainer

SMALLEST = 12    # pixels: below, the last max pool has no whole window; each pixel is repeated until there is one
HEADS_FROM = 17  # pixels: below, the heads' windows of 5×5 do not fit on a quarter of the picture


class GoogLeNetClassifier:
    """Table 1's nine modules, ``width`` times as wide, on pictures of any size that a CPU can bear.

        GoogLeNetClassifier(epochs=6).fit(x_train, y_train).score(x_test, y_test)

    X: pictures (N, H, W, C), or (N, H, W) for grey ones; uint8, or numbers from 0 to 1 or from 0 to 255: which, is
    decided in ``fit``. y: (N,) of anything that can be sorted. The parameters are those of training/config.py; "mirror"
    and shifts (``augment="crop"``) suit photos but not digits, for which there is "none". After ``fit``: ``classes_``,
    ``trainer_``, ``net_`` (with averaged weights). Raises UserError for pictures of another kind.
    """

    _estimator_type = "classifier"

    def __init__(self, width=0.25, epochs=6, batch=128, lr=0.2, norm="batch", heads=True, drop_prob=0.2,
                 augment="crop", seed=0):
        self.width, self.epochs, self.batch, self.lr, self.norm = width, epochs, batch, lr, norm
        self.heads, self.drop_prob, self.augment, self.seed = heads, drop_prob, augment, seed

    def fit(self, X, y):
        X, y = np.asarray(X), np.asarray(y)
        self.scale_ = 255 if X.dtype.kind == "f" and X.size and X.max() <= 1 else 1
        x, (self.classes_, labels) = self._pictures(X), np.unique(y, return_inverse=True)
        if y.ndim != 1 or len(x) != len(y) or len(self.classes_) < 2:
            raise UserError(f"y: {y.shape} with {len(self.classes_)} classes; needs one label for each of the {len(x)} "
                            "pictures, and two classes or more")
        self.shape_ = x.shape[1:]
        config = Config(**self.get_params() | {"heads": bool(self.heads and min(x.shape[1:3]) >= HEADS_FROM)})
        dataset = Dataset("X", x, labels, x[:1], labels[:1], [str(name) for name in self.classes_])
        self.trainer_ = Trainer(config, dataset, augment=Augment(self.augment))
        self.trainer_.run()
        self.trainer_.average.swap()  # to use from now on
        self.net_ = self.trainer_.net
        return self

    def predict_proba(self, X):
        """(N, classes), in the order of ``classes_``."""
        x = self._pictures(np.asarray(X))
        if x.shape[1:] != self.shape_:
            raise UserError(f"X: pictures of {x.shape[1:]}; it was trained on {self.shape_}")
        return probabilities(self.net_, x, self.trainer_.normaliser)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def score(self, X, y):
        """The fraction that is right."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def _pictures(self, X):
        """uint8 (N, H, W, C)"""
        X = X[..., None] if X.ndim == 3 else X
        if X.ndim != 4 or not X.size or X.dtype.kind not in "uif":
            raise UserError(f"X: {X.dtype} {X.shape}, needs numbers (N, H, W, C) or (N, H, W)")
        low, high = (float(edge) * self.scale_ for edge in (X.min(), X.max()))
        if not (low >= 0 and high < 255.5):
            raise UserError(f"X: values from {low / self.scale_:g} to {high / self.scale_:g}, needs 0 to "
                            f"{255 / self.scale_:g}; do not standardise them, that is done here")
        x = X if X.dtype == np.uint8 else np.round(X * self.scale_).astype(np.uint8)
        times = -(-SMALLEST // min(x.shape[1:3]))
        return x.repeat(times, axis=1).repeat(times, axis=2) if times > 1 else x

    def get_params(self, deep=True):
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params):
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"{name}: no such parameter; choose {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self):
        """Asked by scikit-learn only, which is there then."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags(),
                    input_tags=InputTags(two_d_array=False, three_d_array=True))
