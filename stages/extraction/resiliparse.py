"""The engine `resiliparse`: main content by its rules, without comments and the lines about a post (by whom, when).

Bevendorff et al. 2018 (Elastic ChatNoir, ECIR); 2.0 is written in Rust. Leaving comments and post data out is worth
0.013 to 0.018 F1 on the gold sets (docs/extraction.md). 10**5 attributes on one element hold it up for 23 CPU s:
it runs under limits.
"""

from typing import Literal

from resiliparse.extract.html2text import extract_plain_text

from stages.extraction.rendering import structured


def extracted(page: str, markdown: bool) -> str:
    """Main content as lines, or as Markdown made of its minimal HTML."""
    formatting: Literal["minimal_html", True] = "minimal_html" if markdown else True
    found: str = extract_plain_text(
        page,
        preserve_formatting=formatting,
        main_content=True,
        alt_texts=False,
        links=False,
        comments=False,
        post_meta=False,
    )
    return structured(found) if markdown else found.strip()
