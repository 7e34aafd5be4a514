"""What ``python -m benchmarks.answers`` measured: questions of the paper, each with three seeds."""

from typing import NamedTuple

SETTINGS = ("measured with python -m benchmarks.answers: CIFAR-10 (a copy stored as JPEG), 2 epochs of 5,000 images, "
            "reduced network,\nwidth 1/8 unless stated; accuracy in % on 4,000 test images (crops: 500), mean of 3 "
            "seeds; the difference\nwith its 95 % interval over seeds, not over images")


class Measured(NamedTuple):
    """Two variants, their accuracies in %, the mean difference in points and the half-width of its 95 % interval."""
    this: str
    that: str
    accuracies: tuple[float, float]
    difference: float
    half: float

    @property
    def verdict(self) -> str:
        return "within noise" if abs(self.difference) <= self.half else "better" if self.difference > 0 else "worse"


MEASURED = {
    "gap": Measured("global average pooling", "fully connected", (41.08, 28.75), 12.33, 5.80),
    "reductions": Measured("reductions, width 1/4", "naive, width 1/16", (43.23, 38.38), 4.84, 7.29),
    "two heads": Measured("two heads", "none", (41.08, 40.68), 0.40, 9.68),
    "one head": Measured("one head", "none", (38.35, 40.68), -2.33, 5.41),
    "averaged": Measured("averaged weights", "the last", (40.87, 41.08), -0.22, 0.25),
    "10 crops": Measured("10 crops", "1", (42.53, 41.00), 1.53, 1.43),
    "144 crops": Measured("144 crops", "1", (41.67, 41.00), 0.67, 0.57),
    "10 max": Measured("10 crops: maximum", "mean", (42.53, 42.53), 0.00, 1.79),
    "144 max": Measured("144 crops: maximum", "mean", (38.73, 41.67), -2.93, 0.76),
    "scaled": Measured("trained on scales: 144 crops", "1", (34.27, 33.73), 0.53, 0.29),
    "scaled max": Measured("the same, 144: maximum", "mean", (32.53, 34.27), -1.73, 1.60),
}


def tell(*names: str) -> None:
    """Print the rows of MEASURED with these names."""
    print(SETTINGS)
    for one in map(MEASURED.__getitem__, names):
        print(f"  {one.this:<32} {one.accuracies[0]:6.2f}   {one.that:<17} {one.accuracies[1]:6.2f}   "
              f"{one.difference:+6.2f} ± {one.half:.2f}  {one.verdict}")
