"""The reduced GoogLeNet as a scikit-learn classifier: fit, predict, score, on handwritten digits.

    python -m pip install scikit-learn      # for the digits; the classifier itself does not need it
    python examples/classifier.py
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from minigooglenet.training.estimator import GoogLeNetClassifier

images, labels = load_digits().images / 16, load_digits().target  # (1797, 8, 8), values from 0 to 1
x_train, x_test, y_train, y_test = train_test_split(images, labels, random_state=0)

classifier = GoogLeNetClassifier(width=0.125, epochs=3, batch=32, lr=0.1, augment="none").fit(x_train, y_train)
print("predicted:    ", *classifier.predict(x_test[:10]))
print("labels:       ", *y_test[:10])
print("confidence:   ", *(f"{p:.0%}" for p in classifier.predict_proba(x_test[:10]).max(axis=1)))
print(f"test accuracy: {classifier.score(x_test, y_test):.1%}")
