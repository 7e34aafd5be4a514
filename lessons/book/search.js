// The page search.html?q=…: sections of SEARCH_INDEX that contain all words, those with words in the title first.
"use strict";

function search(index, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found = [];
  for (const [page, id, title, text] of index) {
    const inTitle = title.toLowerCase(), inText = text.toLowerCase();
    let score = 0;
    if (!words.every((word) => inTitle.includes(word) || inText.includes(word))) continue;
    for (const word of words) score += 10 * inTitle.includes(word) + Math.min(5, inText.split(word).length - 1);
    found.push({page, id, title, text, score});
  }
  return found.sort((a, b) => b.score - a.score);
}

// A part of the text around the first word, as [before, word, after].
function excerpt(text, query, reach = 90) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean), low = text.toLowerCase();
  const at = Math.max(0, Math.min(...words.map((word) => low.indexOf(word)).filter((n) => n >= 0), low.length));
  if (at === low.length) return [text.slice(0, 2 * reach), "", ""];
  const word = words.find((one) => low.startsWith(one, at));
  const start = Math.max(0, at - reach);
  return [(start ? "… " : "") + text.slice(start, at), text.slice(at, at + word.length),
          text.slice(at + word.length, at + word.length + reach) + " …"];
}

function show(query) {
  const list = document.getElementById("found"), found = search(SEARCH_INDEX, query);
  document.getElementById("count").textContent = query.trim()
    ? (found.length === 1 ? t("1 section") : t("{n} sections").replace("{n}", found.length)) : "";
  list.replaceChildren(...found.slice(0, 50).map(function ({page, id, title, text}) {
    const item = document.createElement("li"), link = document.createElement("a"), line = document.createElement("p");
    const mark = document.createElement("mark"), [before, word, after] = excerpt(text, query);
    link.href = id ? page + "#" + id : page;
    link.textContent = title;
    mark.textContent = word;
    line.append(before, mark, after);
    item.append(link, line);
    return item;
  }));
}

if (typeof document !== "undefined") {
  const field = document.querySelector("main input[name=q]");
  field.value = new URLSearchParams(location.search).get("q") || "";
  field.addEventListener("input", () => show(field.value));
  document.querySelector("main form").addEventListener("submit", function (event) {
    event.preventDefault();
    show(field.value);
  });
  show(field.value);
  field.focus();
}
