"""The report of a test: report.json (facts.py), images that explain mistakes (evidence.py), and a page (page.py)."""
