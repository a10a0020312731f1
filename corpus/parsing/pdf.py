"""The text of a PDF, page after page, by PDFium (pypdfium2: the engine of Chrome; Apache-2.0 and BSD)."""

import pypdfium2
from pypdfium2 import raw as pdfium

from corpus.parsing import Record, Unparsable, joined

_HYPHEN = "\ufffe"  # PDFium's sign for a hyphen at the end of a line, where a word was divided
_MOST_PAGES = 100_000  # a page tree that repeats a page claims as many as it likes


def parsed(raw: bytes) -> Record:
    """text (a blank line between pages), title, author, language, pages. Scans without a text layer give none."""
    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower() or "security" in str(error).lower()
        raise Unparsable("encrypted" if encrypted else f"not readable as PDF: {error}") from None
    count = len(document)
    if count > _MOST_PAGES:
        raise Unparsable(f"not readable as PDF: it claims {count:,} pages")
    about = document.get_metadata_dict(skip_empty=True)
    text = joined([_page(document, number) for number in range(count)])
    if not text:
        raise Unparsable("no text: a scan, or letters drawn as shapes")
    return {
        "text": text,
        "title": about.get("Title") or None,
        "author": about.get("Author") or None,
        "language": _language(document),
        "pages": str(count),
    }


def _page(document: pypdfium2.PdfDocument, number: int) -> str:
    """A page's text; one that cannot be loaded is empty, as readers show it."""
    try:
        page = document[number]
        layer = page.get_textpage()
    except pypdfium2.PdfiumError:
        return ""
    text = layer.get_text_range().replace("\r\n", "\n").replace("\r", "\n")
    layer.close()
    page.close()
    whole = text.replace(f"{_HYPHEN}\n", "").replace(_HYPHEN, "").replace("\0", "")
    return "\n".join(line.rstrip() for line in whole.split("\n"))


def _language(document: pypdfium2.PdfDocument) -> str | None:
    """The catalogue's language, say "en-GB"."""
    size = pdfium.FPDFCatalog_GetLanguage(document, None, 0)
    if not 2 < size < 200:
        return None
    held = (pdfium.FPDF_WCHAR * (size // 2))()
    pdfium.FPDFCatalog_GetLanguage(document, held, size)
    return bytes(held).decode("utf-16-le", "replace").rstrip("\0") or None
