// "Predict first": a field for each guess. The verdict is that of compare() in lessons/helpers.py.
"use strict";

function verdict(guess, outcome) {
  const a = number(guess), b = number(outcome);
  const guessed = t("You guessed {guess}").replace("{guess}", a === null ? guess : shown(a));
  if (a === null || b === null) {
    const same = (text) => text.trim().split(/\s+/).join(" ").toLowerCase();
    return same(guess) === same(outcome) ? guessed + t(": right.") : guessed + t(". Worth finding out why.");
  }
  if (a === b) return guessed + t(": exactly right.");
  if (a <= 0 || b <= 0) {
    return guessed + (a > b ? t(": {x} too high.") : t(": {x} too low.")).replace("{x}", shown(Math.abs(a - b)));
  }
  const times = Math.max(a, b) / Math.min(a, b);
  if (times < 1.1) return guessed + t(": within {x} %, very close.").replace("{x}", (100 * (times - 1)).toFixed(1));
  if (times < 2) {
    return guessed + (a > b ? t(": {x} % too high.") : t(": {x} % too low."))
      .replace("{x}", (100 * Math.abs(a - b) / b).toFixed(0));
  }
  return guessed + (a > b ? t(": {x} times too high. Worth finding out why.")
                          : t(": {x} times too low. Worth finding out why."))
    .replace("{x}", times.toLocaleString("en", {minimumFractionDigits: 1, maximumFractionDigits: 1}));
}

// "112,896,000", "1e6", "1.6 M", "0.5": a number; null for words and "0,5": a comma separates thousands.
function number(text) {
  const found = /^(-?(?:(?:\d{1,3}(?:,\d{3})+|\d+)\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kMG%]?)$/.exec(text.trim().replaceAll("−", "-"));
  return found ? Number(found[1].replaceAll(",", "")) * {k: 1e3, M: 1e6, G: 1e9, "%": 0.01, "": 1}[found[2]] : null;
}

// Python's f"{x:,.4g}"; whole numbers with all their digits.
function shown(x) {
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return x.toLocaleString("en");
  const [digits, power] = x.toExponential(3).split("e");
  if (power >= -4 && power < 4) return Number(x.toPrecision(4)).toLocaleString("en", {maximumFractionDigits: 8});
  return Number(digits) + "e" + power[0] + power.slice(1).padStart(2, "0");
}

function addField(outcome) {
  const name = outcome.dataset.guess, form = document.createElement("form");
  const field = document.createElement("input"), button = document.createElement("button");
  const said = document.createElement("p");
  field.setAttribute("aria-labelledby", "question-" + name);
  Object.assign(field, {type: "text", autocomplete: "off", placeholder: t("your guess")});
  button.textContent = t("compare");
  said.setAttribute("role", "status");
  form.append(field, button);
  outcome.before(form, said);
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (!field.value.trim()) return field.focus();
    outcome.open = true;
    said.textContent = verdict(field.value, outcome.dataset.outcome);
    const printed = document.querySelector(`[data-verdict="${name}"]`);
    if (printed) printed.textContent = said.textContent;
  });
}

if (typeof document !== "undefined") document.querySelectorAll("details[data-guess]").forEach(addField);
