// Finds statements by number and name, sections by their headings, and pages by what they say, and
// shows the text around what was found. Sphinx's own search tells which pages hold the words and
// which names of the API match; bookkit.excerpts gives the texts, so that nothing is fetched.
"use strict";

(() => {
  const BEFORE = 100; // characters of an excerpt
  const AFTER = 200;
  const NUMBERED = /^(?:([a-z]+)\.?\s+)?\(?([a-z]?\d+(?:\.\d+)?)\)?$/;
  const NAMED = 400;
  const HEADED = 300;
  const OBJECT = 250;
  const PAGE = 100;

  const count = (text, stems) =>
    stems.reduce((sum, stem) => sum + text.toLowerCase().split(stem).length - 1, 0);

  // How much of a name a query is: 0 if it does not hold it, or all of its words, at most 1.
  const share = (name, query, stems) => {
    const text = name.toLowerCase();
    if (text.includes(query)) return query.length / text.length;
    return stems.length && stems.every((stem) => text.includes(stem)) ? 0.1 : 0;
  };

  // Whether a query such as "theorem 4.1", "fig. 2.1", "(3.2)" or "a2" names a number.
  const numbers = (number, query) => {
    const [, kind, digits] = query.match(NUMBERED) ?? [];
    const own = number.toLowerCase();
    return digits && own.match(/[a-z]?\d+(\.\d+)?/)?.[0] === digits && own.startsWith(kind?.slice(0, 3) ?? "");
  };

  const find = (query) => {
    const parsed = Search._parseQuery(query);
    const stems = [...parsed[1]];
    const asked = query.toLowerCase().trim();
    const results = [];
    const add = (score, page, id, title, text, note) =>
      results.push({ score, href: `${page}.html${id && `#${id}`}`, title, text, note });
    for (const [page, { statements, sections }] of Object.entries(bookTexts)) {
      const [[, pageTitle]] = sections;
      for (const [id, number, name, text] of statements) {
        const found = numbers(number, asked) ? 2 : share(name, asked, stems);
        const title = name && number ? `${number} (${name})` : number || name;
        if (found) add(NAMED * (1 + found), page, id, title, text, pageTitle);
      }
      for (const [id, heading, text] of sections) {
        const found = share(heading, asked, stems);
        const note = heading === pageTitle ? "" : pageTitle;
        if (found && text) add(HEADED * (1 + found / 4), page, id, heading, text, note);
      }
    }
    for (const [page, title, anchor, description, score] of Search._performSearch(...parsed)) {
      if (description) {
        const exact = title.toLowerCase().split(".").pop() === asked;
        add(exact ? OBJECT : score, page, anchor.slice(1), title, "", description);
      } else if (!anchor && bookTexts[page]) {
        const { statements, sections } = bookTexts[page];
        const told = [...sections, ...statements].reduce((sum, part) => sum + count(part.at(-1), stems), 0);
        const [id, heading, text] = sections.reduce((best, section) =>
          count(section[2], stems) > count(best[2], stems) ? section : best,
        );
        const note = heading === sections[0][1] ? "" : sections[0][1];
        add(PAGE + 10 * Math.log2(1 + told), page, id, heading, text, note);
      }
    }
    const best = new Map();
    for (const result of results.sort((a, b) => b.score - a.score))
      if (!best.has(result.href)) best.set(result.href, result);
    return [[...best.values()], stems];
  };

  // The part of a text around the first of some words, with no formula cut.
  const excerpt = (text, stems) => {
    const at = Math.max(0, ...stems.map((stem) => text.toLowerCase().indexOf(stem)).slice(0, 1));
    let from = at > BEFORE ? text.indexOf(" ", at - BEFORE) + 1 : 0;
    let to = at + AFTER < text.length ? text.lastIndexOf(" ", at + AFTER) : text.length;
    const opened = (end) => {
      const start = text.lastIndexOf("\\(", end - 1);
      return start > text.lastIndexOf("\\)", end - 1) ? start : -1;
    };
    if (opened(from) >= 0) from = opened(from);
    if (opened(to) >= 0) to = text.indexOf("\\)", to) + 2;
    return `${from ? "… " : ""}${text.slice(from, to)}${to < text.length ? " …" : ""}`;
  };

  const show = ({ href, title, text, note }, stems) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = href;
    link.textContent = title;
    item.append(link);
    if (note) item.append(` (${note})`);
    const context = document.createElement("p");
    context.className = "context";
    const words = new RegExp(`(${stems.map(_escapeRegExp).join("|") || "$^"})`, "i");
    for (const part of excerpt(text, stems).split(/(\\\(.*?\\\))/))
      if (part.startsWith("\\(")) {
        const formula = document.createElement("span");
        formula.className = "math";
        formula.textContent = part;
        context.append(formula);
      } else
        part.split(words).forEach((word, number) => {
          const mark = document.createElement("span");
          if (number % 2) mark.className = "highlighted";
          mark.textContent = word;
          context.append(mark);
        });
    if (text) item.append(context);
    Search.output.append(item);
  };

  Search.query = (query) => {
    const [results, stems] = find(query);
    results.forEach((result) => show(result, stems));
    _finishSearch(results.length);
    if (!Search.output.querySelector(".math")) return;
    const script = document.createElement("script"); // which typesets the page
    script.src = bookMathJax;
    document.head.append(script);
  };
})();
