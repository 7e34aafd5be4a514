"""Trained networks as classifiers of images, and the evaluation of models × crops."""
