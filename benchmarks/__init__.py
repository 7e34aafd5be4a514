"""How fast is it, beside other engines on the same cores? ``python -m benchmarks``; see README.md here."""
