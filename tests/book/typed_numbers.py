"""Numbers that stand typed in a page's text although a run may supply them.

A caption or a sentence that says "2,000 draws", "once in 16,000 seeds" or "about four times" is
right until someone changes a parameter. `typed` finds such places; what may stay says why.
"""

import re

from contents import code_cells, prose

# What holds no number of a run: code, values of roles, addresses, theorems with their proofs, and
# exercises, which set their own numbers and whose solutions check them.
_NO_TEXT = re.compile(
    r"""
    ^(?P<fence>`{3,})[^`{\n]*\n.*?^(?P=fence)$      # a block of code, but not a directive
    | ^(?P<colons>:{3,})\{(?:prf:\w+\}|admonition\}\ (?:Proof|Exercise|Solution)).*?^(?P=colons)$
    | (?:\{[\w:]+\})?(?<!`)(?P<ticks>`{1,2})(?!`)[^`]+(?P=ticks)   # code in a line, or a role
    | \]\([^)]*\) | arXiv:?\ ?\d{4}\.\d{5}
    | Reading:\ \d+\ minutes                        # an estimate, of the reader's time
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_MATHEMATICS = re.compile(r"\$\$.+?\$\$|\$.+?\$", re.DOTALL)

_WORD = (
    "two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|sixteen|twenty|thirty|forty|fifty"
    "|sixty|(?:a|one|few) hundred|hundreds|(?:a|one) thousand|thousands|millions?|(?:a )?dozen"
    "|half an?|a third|a tenth"
)
_UNIT = (
    "nats?|bits?|times|milliseconds?|seconds?|minutes?|hours?|per ?cent|standard errors"
    "|orders of magnitude|runs?|draws|seeds|passes|compositions|repetitions|recordings|samples"
    "|iterations"
)
# Words that count what a run counts, or compare what it measures.
_WORDS = re.compile(
    rf"\b(?:{_WORD}) (?:[a-z]+ )?(?:{_UNIT})\b"
    rf"|\bfactor of (?:about |almost |nearly )?(?:{_WORD})\b"
    r"|\bonce in\b|(?<!¤ )\bmilliseconds\b|\bof (?:a|one) (?:hundred|thousand|million)\b",
    re.IGNORECASE,
)
_SHARES = re.compile(
    r"\b(?:almost |nearly |about )?(?:half|twice|a third|a quarter|a tenth)"
    r" (?:the|that|of|as|its)\b",
    re.IGNORECASE,
)
_NUMBER = r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?! ?[-–]\w)(?:[  ]?%|[  ][a-z]+)?"
_LARGE = re.compile(r"\d,?\d|\d+\.\d|%")
_LONG = re.compile(r"\d,?\d\d|\d+\.\d|%")


def in_caption(text, mathematics=True):
    """The typed numbers in a caption or an alternative text: any of two digits, in formulas too."""
    text = _NO_TEXT.sub("¤", text)
    words = _MATHEMATICS.sub(" ", text)
    found = [x.group() for r in (_WORDS, _SHARES) for x in r.finditer(words)]
    found += [x.group() for x in re.finditer(_NUMBER, words) if _LARGE.search(x.group())]
    for formula in _MATHEMATICS.findall(text) if mathematics else ():
        found += re.findall(r"(?<![\w.^{])\d[\d{},]*\d\b", formula)
    return found


def in_prose(text, parameters=()):
    """The typed numbers in Markdown: counts in words, long numbers, and parameters in formulas."""
    text = _NO_TEXT.sub("¤", text)
    words = _MATHEMATICS.sub(" ", text)
    found = [x.group() for x in _WORDS.finditer(words)]
    found += [x.group() for x in re.finditer(_NUMBER, words) if _LONG.search(x.group())]
    for formula in _MATHEMATICS.findall(text):
        found += [x for x in re.findall(r"(?<![\w.^{])\d+\b", formula) if x in parameters]
    return found


def _parameters(page):
    """The values of a page's parameters that are too long to be another number by chance."""
    names = {}
    for cell in code_cells(page):
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return {str(value) for value in names.values() if isinstance(value, int) and value >= 100}


def typed(page):
    """The typed numbers of a page, each with the words that show what it counts."""
    found = in_prose(prose(page), _parameters(page))
    for cell in code_cells(page):
        settings = cell.metadata.get("mystnb", {})
        found += in_caption(settings.get("figure", {}).get("caption", ""))
        found += in_caption(settings.get("image", {}).get("alt", ""))
    return {" ".join(phrase.split()) for phrase in found}


# What stays typed, and why no run supplies it.
ALLOWED = {
    "book/intro": {
        "half of": "what one random phase makes of equal sizes, by a proposition",
    },
    "book/overview": {
        "Ten minutes": "what the reader has",
    },
    "book/01_masked_diffusion": {
        "half of": "of the words begin with equal letters when two independent fair bits do",
    },
    "book/04_tc_adaptive": {
        "hundreds of orders of magnitude": "why polynomials are not computed, not a result",
        "two iterations": "of the case that is worked by hand, and checked",
        "four bits": "the same",
        "four times": "the same",
    },
    "book/06_randomness": {
        "factor of two": "what a cited theorem and the proposition above it say, for every K and L",
    },
    "book/07_linear_codes": {
        "2000": "the length in the caption of the paper's Figure 2, whatever the parameters",
        "2048": "the alphabet in that caption",
        "500": "the number of iterations in that caption",
        "2026, lay": "the seed of a recording that is told of and no longer there",
        "2026 on": "the first of the seeds at which it was replayed",
        "2026 is": "the same",
        "sixty seeds": "how many these were",
        "of a thousand": "how rare so small a mean square is",
    },
    "book/09_certified": {
        "5 %": "a quantile that the recorded experiment computed; its code says which",
        "95 %": "the other quantile",
    },
    "book/11_rates": {
        "two iterations": "which make no error on a code, whatever its dimension",
    },
    "book/14_structured_targets": {
        "two standard errors": "what the bars of the figure show, whatever was measured",
    },
    "book/17_learned": {
        "two standard errors": "what the bars of the figure show, whatever was measured",
        "three standard errors": "what the checks below the sentence allow",
        "of a thousand": "the quantile that the check below the sentence takes",
    },
    "book/18_practice": {
        "121": "the number of an issue",
        "3149": "the number of an issue",
        "two standard errors": "what the bars of the figure show, whatever was measured",
    },
}
