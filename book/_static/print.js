/* Paper does not scroll and does not unfold. Before a page is printed, displays and tables that are
   wider than the paper get smaller letters, folded cells open, and the colours are the light ones;
   afterwards all is as it was. How wide the paper is, in its own ems, print.css says. */
(() => {
  "use strict";
  const undo = [];

  function set(element, name, value) {
    const before = element.style.getPropertyValue(name);
    undo.push(() => element.style.setProperty(name, before));
    element.style.setProperty(name, value);
  }

  const size = (element) => parseFloat(getComputedStyle(element).fontSize);

  /* The width beside an element's margins, borders and indents, in ems of the article. */
  function room(parent, article, ems) {
    const style = getComputedStyle(parent);
    const inside = parent.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return Math.max(8, ems - (article.clientWidth - inside) / size(article));
  }

  function shrink(element, width, available) {
    if (width > available) {
      const share = size(element) / size(element.parentElement);
      set(element, "font-size", `${Math.floor(100 * share * available / width)}%`);
    }
  }

  function fitArticle(article, ems) {
    const px = size(article);
    for (const display of article.querySelectorAll("mjx-container[display='true']")) {
      const formula = display.querySelector("mjx-math");
      const number = display.closest(".math")?.querySelector(".eqno") ? 4 : 0;
      const available = room(display.parentElement, article, ems) - number;
      shrink(display, formula.getBoundingClientRect().width / px, available);
    }
    for (const table of article.querySelectorAll("table")) {
      const shown = table.style.width;
      table.style.width = "min-content";
      const width = table.offsetWidth / px;
      table.style.width = shown;
      shrink(table, width, room(table.parentElement, article, ems));
    }
  }

  function fit() {
    if (undo.length) return;
    const root = document.documentElement;
    const { theme } = root.dataset;
    undo.push(() => { root.dataset.theme = theme; });
    root.dataset.theme = "light";
    for (const folded of document.querySelectorAll("details:not([open], .checks)")) {
      folded.open = true;
      undo.push(() => { folded.open = false; });
    }
    for (const box of document.querySelectorAll(".toggle-hidden")) {
      box.classList.remove("toggle-hidden");
      undo.push(() => box.classList.add("toggle-hidden"));
    }
    const ems = parseFloat(getComputedStyle(root).getPropertyValue("--paper-ems"));
    for (const article of document.querySelectorAll("article.bd-article")) fitArticle(article, ems);
  }

  function restore() {
    while (undo.length) undo.pop()();
  }

  addEventListener("beforeprint", fit);
  addEventListener("afterprint", restore);
})();
