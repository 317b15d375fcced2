"""Names in Markdown and LaTeX are printed as they are written."""

import pytest

from nnunet_dsd.common.markup import latex_text, markdown_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b^c", r"a\_b\textasciicircum{}c"),
        (r"$5 \& 6%", r"\$5 \textbackslash{}\& 6\%"),
        ("<a|b>#{~}", r"$<$a$\vert$b$>$\#\{\textasciitilde{}\}"),
        ("[bold]*", "{[}bold]{*}"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        (r"5% {x} ~ \ |", r"5\% \{x\} \textasciitilde{} \textbackslash{} $\vert$"),
        ("1 ± 2", r"1 $\pm$ 2"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_prints_every_sign(text, expected):
    assert latex_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
        ("<b>&lt;", r"\<b\>\&lt;"),
        ("[x](y) #1", r"\[x\](y) \#1"),
        ("$5 to $6 \\", r"\$5 to \$6 \\"),
        ("~~gone~~", r"\~\~gone\~\~"),
        ("two\nlines", "two lines"),
        ("-0.5 ± 0.1 (3/4)", "-0.5 ± 0.1 (3/4)"),
    ],
)
def test_markdown_prints_every_sign(text, expected):
    assert markdown_text(text) == expected
