"""``python -m minigooglenet.engine``: update the fingerprints of the layers that the engine knows (``known.py``)."""

from .known import update

update()
