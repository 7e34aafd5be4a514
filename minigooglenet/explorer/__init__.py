"""The explorer: a trained network as one self-contained HTML file, without network access or framework.

``facts``    the structure: shapes and counts of every layer; the outputs of every layer for an image
``drawing``  the network as SVG
``page``     the HTML page, with ``page.css`` and ``page.js``
"""
