"""Looking inside a network: gradients with respect to the picture, and what can be seen with them.

``structure``  finds a layer by its path and cuts the network there
``gradients``  ``input_gradient``: how any layer's output changes with the pixels
``cam``        where a class is seen: class activation map, Grad-CAM; which branches it came through
``occlusion``  where a class is seen: by covering the picture
``features``   the first filters, and what a channel answers to most
``dream``      DeepDream
"""

from .gradients import input_gradient

__all__ = ["input_gradient"]
