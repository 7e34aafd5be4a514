"""Running the lessons takes minutes, so plain ``pytest`` skips this folder. Run it with ``pytest tests/lessons``."""


def pytest_ignore_collect(collection_path, config):
    return None if any("lessons" in str(argument) for argument in config.invocation_params.args) else True
