// On every page: texts in the page's language, keys that turn pages, and boxes that scroll by keyboard.
"use strict";

const TEXTS = JSON.parse(document.getElementById("texts")?.textContent || "{}");

function t(text) {
  return TEXTS[text] || text;
}

document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, .widget")) return;
  if (event.key === "/") {
    document.querySelector("input[name=q]")?.focus();
    return event.preventDefault();
  }
  const free = !event.shiftKey && !event.target.closest("[tabindex='0'], summary");
  const way = {n: "next", p: "prev", i: "index", ArrowRight: free && "next", ArrowLeft: free && "prev"}[event.key];
  const link = way && document.querySelector(`a[rel="${way}"]`);
  if (link) location.href = link.href;
});

// Code, output, tables and figures that are wider than the page scroll; the keyboard reaches them only then.
function markScrolling() {
  document.querySelectorAll("pre, .table, .output_png").forEach(function (box) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (!scrolls) return ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", box.matches("pre") ? t("code or output, scrolls") : t("table or figure, scrolls"));
  });
}

addEventListener("load", markScrolling);
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);
