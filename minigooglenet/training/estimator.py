"""The reduced GoogLeNet as a scikit-learn classifier: fit, predict, score. scikit-learn is not needed."""

import inspect
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data import Augment, Dataset
from ..errors import UserError
from ..layers.base import Array
from .checkpoint import LARGEST_SIDE
from .config import SIZES, Config
from .evaluate import probabilities
from .trainer import Trainer

MIN_SIZE = 12        # pixels; below, the last max pool has no full window, so pixels are repeated up to this size
MIN_HEADS_SIZE = 17  # pixels; below, the 5×5 windows of the auxiliary classifiers do not fit


class InvalidInput(UserError, ValueError):
    """Arrays that the classifier does not take."""


class GoogLeNetClassifier:
    """Table 1's nine inception modules, ``width`` times as wide, for images of any size that a CPU can afford.

        GoogLeNetClassifier(epochs=6).fit(x_train, y_train).score(x_test, y_test)

    X: images (N, H, W, C), or (N, H, W) for gray ones; uint8, or values from 0 to 1 or from 0 to 255. ``fit`` decides
    which range X has. Rows (N, features) are images of ``image_shape``, such as (8, 8) or (32, 32, 3); without it,
    each row is a gray image of 1 × features pixels, and ``fit`` warns. y: (N,), labels of any sortable type.

    ``epochs``, ``batch``, the highest learning rate ``lr``, ``norm``, ``heads``, ``drop_prob``, ``augment`` and
    ``seed`` are those of training/config.py. ``augment="crop"`` shifts and mirrors, which suits photos; for digits use
    "none". After ``fit``: ``classes_``, ``trainer_``, ``net_`` (with averaged weights). Raises UserError, which is also
    a ValueError, for other arrays.
    """

    _estimator_type = "classifier"

    def __init__(self, width: float = 0.25, epochs: int = 6, batch: int = 128, lr: float = 0.2, norm: str = "batch",
                 heads: bool = True, drop_prob: float = 0.2, augment: str = "crop", seed: int = 0,
                 image_shape: tuple[int, ...] | None = None) -> None:
        self.width, self.epochs, self.batch, self.lr, self.norm = width, epochs, batch, lr, norm
        self.heads, self.drop_prob, self.augment, self.seed = heads, drop_prob, augment, seed
        self.image_shape = image_shape

    def fit(self, X: ArrayLike, y: ArrayLike) -> "GoogLeNetClassifier":
        """Train on the images X with the labels y."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # if this fit is interrupted, the estimator is not fitted
        if y is None:
            raise InvalidInput("y: GoogLeNetClassifier requires y to be passed, but the target y is None")
        X = as_array(X)
        if X.ndim == 2:
            self.n_features_in_ = X.shape[1]
            if self.image_shape is None:
                warnings.warn(f"X: each row is used as an image of 1×{X.shape[1]} pixels; if the rows are images, give "
                              "their shape, such as image_shape=(8, 8)", stacklevel=2)
        self.scale_ = 255 if X.dtype.kind == "f" and X.size and X.max() <= 1 else 1
        x = self._images(X)
        if self.scale_ == 1 and X.dtype.kind == "f" and X.max() < 16 and (X % 1).any():
            warnings.warn(f"X: values from {X.min():g} to {X.max():g} are rounded to whole numbers; pass X / X.max()",
                          stacklevel=2)
        labels = as_labels(y, len(x))
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidInput(f"y: {labels.shape} with {len(self.classes_)} class; needs two classes or more")
        self.shape_ = H, W, C = x.shape[1:]
        if max(self.shape_) > LARGEST_SIDE:
            raise InvalidInput(f"X: images of shape {self.shape_}, needs at most {LARGEST_SIDE} each; resize them")
        if self.augment == "paper" and C != 3:
            raise InvalidInput(f"X: {C} channel(s), but augment=\"paper\" needs 3: red, green and blue; choose another")
        settings = {name: value for name, value in self.get_params().items() if name != "image_shape"}
        side = min(H, W)
        heads = self.heads if side >= MIN_HEADS_SIZE else False
        size = min(side, SIZES[1]) if side >= SIZES[0] else None  # chooses the stem (models/mini.py)
        dataset = Dataset("X", x, numbers, x[:1], numbers[:1], [str(name) for name in self.classes_])
        config = Config(**settings | {"heads": heads, "size": size})
        self.trainer_ = Trainer(config, dataset, augment=Augment(self.augment))
        self.trainer_.run()
        if self.trainer_.average:
            self.trainer_.average.swap()  # the network keeps the averaged weights
        self.net_ = self.trainer_.net
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities (N, classes), in the order of ``classes_``."""
        if not hasattr(self, "net_"):
            raise not_fitted()
        X = as_array(X)
        if X.ndim == 2 and X.shape[1] != getattr(self, "n_features_in_", X.shape[1]):
            raise InvalidInput(f"X has {X.shape[1]} features, but GoogLeNetClassifier is expecting "
                               f"{self.n_features_in_} features as input")
        x = self._images(X)
        if x.shape[1:] != self.shape_:
            raise InvalidInput(f"X: images of shape {x.shape[1:]}; the network was trained on {self.shape_}")
        if self.scale_ == 1 and X.dtype.kind == "f" and X.max() <= 1 and (X % 1).any():
            warnings.warn("X: values from 0 to 1, but the network was trained on values above 1; if these are images, "
                          "pass 255 * X", stacklevel=2)
        return probabilities(self.net_, x, self.trainer_.normalizer)

    def predict(self, X: ArrayLike) -> Array:
        """The most probable label of each image."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(axis=1)]

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The accuracy on X with the labels y; ``sample_weight`` (N,) weights the images."""
        predicted = self.predict(X)
        correct = predicted == as_labels(y, len(predicted))
        weights = None if sample_weight is None else np.asarray(sample_weight, float)
        if weights is not None and (weights.shape != correct.shape or not np.isfinite(weights).all()
                                    or not weights.sum() > 0):
            raise InvalidInput(f"sample_weight: {weights.shape}, needs one finite weight for each of the "
                               f"{len(correct)} images, with a positive sum")
        return float(np.average(correct, weights=weights))

    def _images(self, X):
        """uint8 (N, H, W, C)"""
        rows = X.ndim == 2
        if rows:
            shape = (1, X.shape[1]) if self.image_shape is None else tuple(self.image_shape)
            if not X.shape[1]:
                raise InvalidInput(f"X: 0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
            if len(shape) not in (2, 3) or np.prod(shape) != X.shape[1]:
                raise InvalidInput(f"X: rows of {X.shape[1]} values, which are no images of shape {shape}")
            X = X.reshape(-1, *shape)
        X = X[..., None] if X.ndim == 3 else X
        if X.ndim != 4 or not X.size or X.dtype.kind not in "uif":
            raise InvalidInput(f"X: {X.dtype} {X.shape}, needs numeric (N, H, W, C) or (N, H, W); "
                               "Reshape your data to one of these")
        if X.shape[1] <= 4 < min(X.shape[2:]) and not rows:
            raise InvalidInput(f"X: {X.shape}, with the channels first; pass X.transpose(0, 2, 3, 1)")
        low, high = (float(edge) * self.scale_ for edge in (X.min(), X.max()))
        if not (low >= 0 and high < 255.5):
            found = f"values from {low / self.scale_:g} to {high / self.scale_:g}"
            why = "Negative values in data passed to GoogLeNetClassifier" if low < 0 else "NaN or inf"
            raise InvalidInput(f"X: {found}, needs 0 to {255 / self.scale_:g}; pass pixels as they are, fit normalizes "
                               "them" + (f" ({why})" if low < 0 or not np.isfinite(low + high) else ""))
        x = X if X.dtype == np.uint8 else np.round(X * self.scale_).astype(np.uint8)
        down, right = (-(-MIN_SIZE // size) for size in x.shape[1:3])
        if not rows or self.image_shape is not None:
            down = right = max(down, right)
        return x.repeat(down, axis=1).repeat(right, axis=2) if max(down, right) > 1 else x

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters: {name: value}."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> "GoogLeNetClassifier":
        """Change some of the constructor's parameters."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"{name}: no such parameter; choose {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {name: item.default for name, item in inspect.signature(type(self)).parameters.items()}
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != defaults[name]]
        return f"GoogLeNetClassifier({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        """Called by scikit-learn only."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
        poor = self.image_shape is None  # scikit-learn's checks train on rows of two features: no images
        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags(poor_score=poor),
                    input_tags=InputTags(two_d_array=True, three_d_array=True, positive_only=True))


def as_array(X: ArrayLike) -> Array:
    """X as an array of real numbers. Raises InvalidInput for sparse and complex ones."""
    if hasattr(X, "tocsr"):
        raise InvalidInput("X: a sparse matrix; pass a dense array: X.toarray()")
    X = np.asarray(X)
    if X.dtype.kind == "O":
        X = X.astype(float)  # raises TypeError or ValueError for what is not a number
    if X.dtype.kind == "c":
        raise InvalidInput("X: Complex data not supported; pass real values")
    return X


def as_labels(y: ArrayLike, N: int) -> Array:
    """y as an array (N,) of labels. A column (N, 1) is taken, with the warning that scikit-learn gives.

    Raises InvalidInput for another shape, which would be broadcast, and for NaN, infinite or continuous values.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        known = sys.modules.get("sklearn.exceptions")
        warnings.warn("A column-vector y was passed when a 1d array was expected; pass y.ravel()",
                      known.DataConversionWarning if known else UserWarning, stacklevel=3)
        y = y[:, 0]
    if y.shape != (N,):
        raise InvalidInput(f"y: {y.shape}, needs one label for each of the {N} images: ({N},)")
    if y.dtype.kind == "f" and not np.isfinite(y).all() or y.dtype.kind == "O" and any(v is None or v != v for v in y):
        raise InvalidInput("y: contains NaN, None or infinity; each image needs a label")
    if y.dtype.kind == "f" and (y % 1).any() or y.dtype.kind in "cV":
        raise InvalidInput("y: Unknown label type: continuous; needs classes, such as whole numbers or names")
    try:
        np.unique(y)
    except TypeError as error:
        raise InvalidInput(f"y: labels of different types ({error}); convert them all to text") from error
    return y


def not_fitted() -> Exception:
    """A UserError that is scikit-learn's NotFittedError too, or has the same bases if scikit-learn is not loaded."""
    known = sys.modules.get("sklearn.exceptions")
    bases = (known.NotFittedError,) if known else (ValueError, AttributeError)
    return type("NotFittedError", (UserError, *bases), {})("this GoogLeNetClassifier is not fitted yet; call fit first")
