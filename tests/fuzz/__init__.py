"""Fuzzing: changed files for every reader of the package. ``make fuzz``; the outcomes are described in ``worker``."""
