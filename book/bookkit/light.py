"""What the built pages need not send: idle scripts and icons, source maps, most of MathJax."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset

# The parts of MathJax that the pages load, by `mathjax3_config`: a third less than its bundles.
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2",
    "a11y/assistive-mml.js",
)
# The theme's icons come from its web font, which its script of 1.5 MB would draw once more.
_ICON_SCRIPT = re.compile(r'\s*<script defer src="[^"]*/fontawesome\.js[^"]*"></script>')
# Its search as one types is off, so that only the search page needs the index.
_SEARCH_SCRIPT = re.compile(
    r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
)
_ICON_RULE = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]*"\}')
_ICON_NAME = re.compile(r"\bfa-[a-z0-9-]+")
_WOFF2 = re.compile(r'url\([^)]*\.woff2\) format\("woff2"\),')
_CODE_POINT = re.compile(r"\\([0-9a-f]{2,6})")
# What docutils calls an entry of its list of references, and what such a list may hold.
_ENTRY, _ITEM = 'role="doc-biblioentry"', 'role="listitem"'
# The button in the contents that shows the pages below another; its sign has no words.
_UNNAMED = '<summary><span class="toctree-toggle"'
_NAMED = '<summary aria-label="Pages below"><span class="toctree-toggle"'
_MAP = re.compile(r"\n?(?:/\*|//)[#@] ?sourceMappingURL=\S+(?: ?\*/)?\s*$")
# Our own larger scripts: remarks on lines of their own, but for the first, and indentation.
_OURS = ("dlm.js", "explorer.js", "moving.js")
_REMARK = re.compile(r"^[ \t]*(?://.*|/\*\*(?s:.*?)\*/[ \t]*)\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


def add_mathjax(out):
    """Copy `MATHJAX` to the static files of the built pages."""
    source = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
    target = out / "_static/mathjax"
    for part in MATHJAX:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / part, target / part)


def _rewrite(path, change):
    text = path.read_text(encoding="utf-8")
    if (changed := change(text)) != text:
        path.write_text(changed, encoding="utf-8")


def _mended(page):
    def change(text):
        text = _ICON_SCRIPT.sub("", text).replace(_ENTRY, _ITEM).replace(_UNNAMED, _NAMED)
        return text if page.name == "search.html" else _SEARCH_SCRIPT.sub("", text)

    return change


def _without_idle_icons(used):
    def kept(rule):
        return rule[0] if used.intersection(_ICON_NAME.findall(rule[0])) else ""

    return lambda text: _WOFF2.sub("", _ICON_RULE.sub(kept, text))


def _cut_font(path, sheets):
    """Leave in an icon font the signs that a style sheet may ask for."""
    options = subset.Options()
    font = subset.load_font(path, options)
    cutter = subset.Subsetter(options)
    texts = (sheet.read_text(encoding="utf-8") for sheet in sheets)
    cutter.populate(
        unicodes={int(code, 16) for text in texts for code in _CODE_POINT.findall(text)}
    )
    cutter.subset(font)
    subset.save_font(font, path, options)


def squeezed(script):
    """A script of ours without the remarks and the indentation that its readers have in the source.

    Parameters
    ----------
    script : str
        In which no line begins within a text but where indentation does not matter.

    Returns
    -------
    str
    """
    return _INDENT.sub("", _REMARK.sub("", script))


def lighten(out):
    """Drop from the pages under `out` what none uses, and mend roles; twice does as once."""
    static = out / "_static"
    shutil.rmtree(static / "locales", ignore_errors=True)
    for idle in ("*.map", "fontawesome.js*", "vendor/fontawesome/**/*.woff2"):
        for file in static.rglob(idle):
            file.unlink()
    pages, scripts = [*out.rglob("*.html")], [*static.rglob("*.js")]
    for page in pages:
        _rewrite(page, _mended(page))
    theme = static / "styles/pydata-sphinx-theme.css"
    sheets = [sheet for sheet in static.rglob("*.css") if sheet != theme]
    texts = (file.read_text(encoding="utf-8") for file in (*pages, *scripts, *sheets))
    used = {name for text in texts for name in _ICON_NAME.findall(text)}
    _rewrite(theme, _without_idle_icons(used))
    for file in (theme, *sheets, *scripts):
        _rewrite(file, lambda text: _MAP.sub("", text))
    for file in filter(Path.exists, map(static.joinpath, _OURS)):
        _rewrite(file, squeezed)
    for font in static.glob("vendor/fontawesome/**/*.ttf"):
        _cut_font(font, (theme, *sheets))
