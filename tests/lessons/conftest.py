"""Running the lessons takes minutes, so plain ``pytest`` skips this folder. Run it with ``pytest tests/lessons``."""

import os

import pytest

NUMBERS = os.environ.get("MINIGOOGLENET_BOOK", "2 6").split()  # "all": the complete book, which takes minutes


def pytest_ignore_collect(collection_path, config):
    return None if any("lessons" in str(argument) for argument in config.invocation_params.args) else True


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """(The folder of the English book, its lessons); the Chinese edition is in its folder zh."""
    from lessons.book import build
    from lessons.catalog import find, lessons
    from lessons.translation import load
    out = tmp_path_factory.mktemp("book")
    chosen = lessons() if NUMBERS == ["all"] else [find(number) for number in NUMBERS]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)    # from any folder
        assert build(chosen, quick=True, out=out) == 0
        assert build([find(2), find(6)], quick=True, out=out, t=load("zh")) == 0
    assert not list(out.glob("kernel*"))
    return out, chosen
