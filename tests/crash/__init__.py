"""Crashes: training that is killed, or whose files cannot be written, resumes with the same bits. ``make crash``."""
