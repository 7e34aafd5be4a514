"""What a lesson needs besides the library: compare a guess with the outcome, and show a figure."""

import numbers
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "figures" / "lessons"

#: True with MINIGOOGLENET_QUICK=1 (``python -m lessons 12 --quick``): fewer steps, the same code. Lessons that train
#: or time something choose smaller numbers by it; all others ignore it.
QUICK = os.environ.get("MINIGOOGLENET_QUICK", "0") not in ("", "0")


def compare(what, guess, outcome):
    """Print a guess (a number, a word, or None for none) beside what came out. Never fails, whatever the guess is.

    compare("multiply-adds", guess_macs, 112_896_000)
    """
    print(f"{what}: {_text(outcome)}. {_verdict(guess, outcome)}")


def _verdict(guess, outcome):
    if guess is None:
        return "(No guess was written down.)"
    said = f"You guessed {_text(guess)}"
    if isinstance(guess, numbers.Real) and isinstance(outcome, numbers.Real):
        if guess == outcome:
            return f"{said}: exactly right."
        if guess <= 0 or outcome <= 0:
            return f"{said}: {_text(abs(guess - outcome))} {'too high' if guess > outcome else 'too low'}."
        high, times = guess > outcome, max(guess, outcome) / min(guess, outcome)
        way = "high" if high else "low"
        if times < 1.1:
            return f"{said}: within {100 * (times - 1):.1f} %, very close."
        if times < 2:
            return f"{said}: {100 * abs(guess - outcome) / outcome:.0f} % too {way}."
        return f"{said}: {times:,.1f} times too {way}. Worth finding out why."
    same = " ".join(str(guess).split()).casefold() == " ".join(str(outcome).split()).casefold()
    return f"{said}: right." if same else f"{said}. Worth finding out why."


def _text(value):
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, numbers.Real) and not isinstance(value, bool) else str(value)


def show(fig, name, alt):
    """Show a figure: inline in a notebook; run as a script, as figures/lessons/NAME.png.

    ``name`` begins with the lesson's number ("05_counter"); ``alt`` says in a sentence what is to be seen, for whoever
    cannot see it.
    """
    path = FIGURES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, format="png")
    if _in_notebook():
        from IPython.display import Image, display
        display(Image(data=path.read_bytes(), alt=alt, metadata={"alt": alt}))
    else:
        where = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        print(f"[figure: {where}]  {alt}")


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and hasattr(shell, "kernel")
