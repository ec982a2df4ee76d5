// Shows what a link to a theorem, equation, figure, claim or term leads to, beside the link, while
// the pointer or the focus of the keyboard is on it. Escape hides it. bookkit.excerpts stores, for
// each page, a script that hands over what can be shown of it.
"use strict";

(() => {
  const DELAY = 200; // milliseconds
  const pages = {};
  const waiting = {};
  const box = document.createElement("div");
  box.className = "link-preview";
  box.id = "link-preview";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  let link = null;
  let timer = 0;

  window.bookPreviews = (page, shown) => waiting[page](shown);

  // What can be shown of a page: HTML by identifier.
  const load = (page) =>
    (pages[page] ??= new Promise((resolve) => {
      waiting[page] = resolve;
      const script = document.createElement("script");
      script.src = `${document.documentElement.dataset.content_root}_static/previews/${page}.js`;
      document.head.append(script);
    }));

  const folder = (url) => url.href.replace(/[^/]*$/, "");

  const hide = () => {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = null;
    box.hidden = true;
  };

  const place = () => {
    const at = link.getClientRects()[0];
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const left = Math.max(8, Math.min(at.left, width - box.offsetWidth - 8));
    const below = at.bottom + box.offsetHeight + 8 < height || at.top < box.offsetHeight + 8;
    box.style.left = `${left + scrollX}px`;
    box.style.top = `${scrollY + (below ? at.bottom + 4 : at.top - box.offsetHeight - 4)}px`;
  };

  const show = async (target) => {
    const url = new URL(target.href);
    const page = url.pathname.split("/").pop().replace(/\.html$/, "");
    const html = (await load(page))[decodeURIComponent(url.hash.slice(1))];
    const typeset = window.MathJax?.startup?.promise;
    if (target !== link || !html || (html.includes('class="math') && !typeset)) return;
    box.innerHTML = html;
    box.scrollTop = 0;
    if (typeset) {
      MathJax.typesetClear([box]);
      MathJax.startup.promise = typeset.then(() => MathJax.typesetPromise([box]));
      box.hidden = false; // formulas are measured where they stand
      place();
      await MathJax.startup.promise;
      if (target !== link) return;
    }
    box.hidden = false;
    target.setAttribute("aria-describedby", box.id);
    place();
  };

  const consider = (event) => {
    if (box.contains(event.target)) return clearTimeout(timer); // it may be read, and copied from
    const target = event.target.closest?.("article a.reference[href*='#']");
    const ours = target && folder(new URL(target.href)) === folder(new URL(location.href.split("#")[0]));
    if (ours && target === link) return clearTimeout(timer);
    clearTimeout(timer);
    if (!ours) return (timer = setTimeout(hide, DELAY));
    timer = setTimeout(() => {
      hide();
      link = target;
      show(target);
    }, DELAY);
  };

  document.addEventListener("DOMContentLoaded", () => document.body.append(box));
  document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && consider(event));
  document.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && consider(event));
  document.addEventListener("focusout", (event) => event.target === link && hide());
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
