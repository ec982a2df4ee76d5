"""Generated texts as a page shows them, one under the other."""

import html

__all__ = ["Sharpening"]

_NEW_LINE = "⏎"


class Sharpening:
    """The same texts written with more and more steps: a table, and as text.

    A character is underlined where it differs from that of the last line, which has the most
    steps: as the steps grow, the lines below have less of it.

    Parameters
    ----------
    steps : list of int
        Increasing numbers of steps.
    texts : list of list of str
        For each of them, the same texts in the same order.
    good : list of list of bool
        Which of them are good.
    column : str
        What is good, as the head of that column.
    """

    def __init__(self, steps, texts, good, column):
        self.steps, self.column = list(steps), column
        self.texts = [[text.replace("\n", _NEW_LINE) for text in line] for line in texts]
        self.good = good

    def _lines(self):
        """For each text, and each number of steps: the steps, the text, whether it is good."""
        for i in range(len(self.texts[0])):
            yield [
                (k, texts[i], good[i])
                for k, texts, good in zip(self.steps, self.texts, self.good, strict=True)
            ]

    def __repr__(self):
        width = max(len(text) for texts in self.texts for text in texts)
        blocks = [
            "\n".join(f"{k:>4}  {text:<{width}}  {_word(good)}" for k, text, good in lines)
            for lines in self._lines()
        ]
        return "\n\n".join(
            [f"{'K':>4}  {'text':<{width}}  {self.column}\n" + blocks[0], *blocks[1:]]
        )

    def _repr_html_(self):
        bodies = []
        for lines in self._lines():
            last = lines[-1][1]
            rows = "".join(
                f'<tr><th scope="row">{k}</th><td><code>{_marked(text, last)}</code></td>'
                f"<td>{_word(good)}</td></tr>"
                for k, text, good in lines
            )
            bodies.append(f"<tbody>{rows}</tbody>")
        head = "".join(
            f'<th scope="col">{html.escape(name)}</th>' for name in ("K", "text", self.column)
        )
        return f'<table class="sharpening"><thead><tr>{head}</tr></thead>{"".join(bodies)}</table>'


def _word(good):
    return "yes" if good else "no"


def _marked(text, last):
    """HTML of a text, underlined where it differs from another."""
    width = max(len(text), len(last))
    pieces, underlined = [], False
    for character, other in zip(text.ljust(width), last.ljust(width), strict=True):
        if (character != other) != underlined:
            pieces.append("</u>" if underlined else "<u>")
            underlined = not underlined
        pieces.append(html.escape(character))
    return "".join(pieces) + ("</u>" if underlined else "")
