"""Runs JavaScript of the book with Node.js, where it is installed."""

import json
import shutil
import subprocess

from lessons.book import HERE

NODE = shutil.which("node") or shutil.which("nodejs")


def evaluate(expression, *files, **values):
    """The value of an expression, after loading ``files`` of lessons/book/, with JSON ``values`` as constants."""
    script = ["const t = (text) => text;", *(HERE.joinpath(file).read_text(encoding="utf-8") for file in files),
              *(f"const {name} = {json.dumps(value)};" for name, value in values.items()),
              f"process.stdout.write(JSON.stringify({expression}));"]
    done = subprocess.run([NODE, "-"], input="\n".join(script), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
