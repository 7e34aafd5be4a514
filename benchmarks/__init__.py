"""Speed compared with other engines on the same cores: ``python -m benchmarks``. See README.md in this folder."""
