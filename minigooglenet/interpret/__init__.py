"""Interpretability: gradients with respect to the image, and methods built on them.

``structure``  finds a layer by its path and cuts the network there
``gradients``  ``input_gradient``: how the output of any layer changes with the pixels
``cam``        where a class is detected: class activation map, Grad-CAM; contributions of branches
``occlusion``  where a class is detected: by covering patches of the image
``features``   the first filters, and images that maximize a channel
``dream``      DeepDream
"""

from .gradients import input_gradient

__all__ = ["input_gradient"]
