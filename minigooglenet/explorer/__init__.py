"""The explorer: a trained network as one self-contained HTML file, without network access or framework.

``facts``    the structure: shapes and counts of every layer; the outputs of every layer for an image
``drawing``  the network as SVG
``html``     what both pages share: the head of the file, and the texts of ``text.json``
``page``     the HTML page, with ``page.css`` and ``page.js``
``live``     a page in which the network runs
"""
