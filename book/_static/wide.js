"use strict";

// A box wider than its place scrolls: it takes the keyboard, says what it is, and fades where it
// goes on.
(() => {
  const KINDS = {
    Equation: "mjx-container[display], span.math",
    Code: ".cell_input pre, div[class*='highlight-'] pre",
    Output: ".cell_output pre, .cell_output > .output",
    Table: ".pst-scrollable-table-container, .text_html > div, .admonition:has(table), table.indextable",
  };

  // What screen readers read of an inline formula is as wide as it is unseen.
  const width = (box) =>
    box.matches("span.math") ? box.querySelector("mjx-math")?.offsetWidth ?? 0 : box.scrollWidth;

  function fade(box) {
    const rest = width(box) - box.clientWidth - box.scrollLeft;
    box.dataset.more = [box.scrollLeft > 0 && "left", rest > 0 && "right"].filter(Boolean).join(" ");
  }

  function mark(box, kind) {
    if (width(box) > box.clientWidth) {
      box.onscroll = () => fade(box);
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `${kind}, scrolls sideways`);
      fade(box);
    } else if (box.onscroll) {
      box.onscroll = null;
      for (const name of ["data-more", "tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  }

  function markAll() {
    for (const [kind, boxes] of Object.entries(KINDS)) {
      for (const box of document.querySelectorAll(boxes)) if (box.clientWidth) mark(box, kind);
    }
  }

  window.addEventListener("load", () => {
    new ResizeObserver(markAll).observe(document.querySelector("article") ?? document.body);
    window.MathJax?.startup?.promise?.then(markAll);
    document.fonts.addEventListener("loadingdone", markAll); // formulas grow with their letters
  });
})();
