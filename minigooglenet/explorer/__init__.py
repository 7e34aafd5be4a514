"""The explorer: a trained network as one HTML file that needs nothing else, no network, no framework.

``facts``    what is known of every layer, by a walk over the structure; what every layer makes of a picture
``drawing``  the network as SVG
``images``   arrays as small PNG and JPEG data URIs
``page``     all of it put together with ``page.css`` and ``page.js``
"""
