"""A network that runs in the browser: one HTML file with its weights, without server, network access or framework.

``structure``  the network as JSON data, and its arrays in the order of that data
``page``       the HTML page: ``layers.js`` and ``network.js`` compute, in the worker of ``worker.js``; the other
               scripts show. All text is in ``../text.json``
"""
