"""Running lessons takes minutes, so plain ``pytest`` leaves this folder out. Ask for it: ``pytest tests/lessons``."""


def pytest_ignore_collect(collection_path, config):
    return None if any("lessons" in str(argument) for argument in config.invocation_params.args) else True
