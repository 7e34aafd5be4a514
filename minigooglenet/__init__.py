"""GoogLeNet (Inception v1) from scratch in NumPy: layers, network, training and testing, written to be read."""

__version__ = "0.1.0"
