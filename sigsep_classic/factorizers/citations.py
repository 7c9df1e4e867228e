"""The papers of a method as data, read from its docstring, and as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from sigsep_classic.factorizers.documentation import references_of

_INITIALS = r"(?:[A-ZÖÉ]\.-?)"
_NAME = re.compile(rf"((?:{_INITIALS}\s?)+)\s*(.+)")
_TITLE = re.compile(r'"([^"]+)"(?:,\s(?P<venue>[^;"]*?))??,?\s(?P<year>(?:19|20)\d\d)\b')
_VOLUME = re.compile(r"(?P<journal>.+?) (?P<volume>\d+)(?:\((?P<number>[\d/]+)\))?$")


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper.

    Parameters
    ----------
    authors : tuple of str
        As printed, initials first; ``"et al."`` stands for those that are not named. May be empty.
    title, venue : str
        The venue with volume and number, or ``""``.
    year : int
        Of publication.
    """

    authors: tuple[str, ...]
    title: str
    venue: str
    year: int

    @property
    def key(self) -> str:
        """First author's family name, year and two words of the title, in ASCII: ``tyler1987statisticalanalysis``."""
        family = _family_first(self.authors[0]).partition(",")[0] if self.authors else "anonymous"
        words = [word for word in re.split(r"[\s\-/]+", self.title) if len(word) > 3][:2]
        return "".join(filter(str.isalnum, _ascii(f"{family}{self.year}{''.join(words)}").lower()))


def papers_of(kind: type) -> list[Paper]:
    """Return the papers that the ``References`` of a method's docstring name, in their order."""
    return [paper for text in references_of(kind) for paper in papers_in(text)]


def papers_in(text: str) -> list[Paper]:
    """Return the papers in one paragraph: ``A. Author and B. Author, "Title", Venue 1(2), 2003``.

    Several stand behind semicolons. A title without authors before it, as in ``; "Title", Venue, 2004``, is one more by
    those of the title before.
    """
    found: list[Paper] = []
    authors: tuple[str, ...] = ()
    end = 0
    for match in _TITLE.finditer(text):
        authors = _authors(text[end : match.start()]) or authors
        venue = (match["venue"] or "").strip()
        found.append(Paper(authors=authors, title=match[1], venue=venue, year=int(match["year"])))
        end = match.end()
    return found


def bibtex(paper: Paper) -> str:
    """Return a BibTeX entry in UTF-8, of the type that the venue tells."""
    kind, fields = _described(paper.venue)
    entry: dict[str, Any] = {"author": _bibtex_authors(paper.authors), "title": f"{{{paper.title}}}"}
    entry |= {**fields, "year": paper.year}
    lines = [f"  {name} = {{{value}}}," for name, value in entry.items() if value]
    return "\n".join([f"@{kind}{{{paper.key},", *lines, "}"])


def _authors(before: str) -> tuple[str, ...]:
    """Return the names at the end of what stands before a title."""
    part = re.split(r"[;:(]|(?<=\d), and ", before)[-1]
    start = re.search(_INITIALS, part)
    if start is None:
        return ()
    names = re.split(r",\s+(?:and\s+)?|\s+and\s+|\s+(?=et al\.)", part[start.start() :].strip().rstrip(","))
    return tuple(name for name in names if name)


def _described(venue: str) -> tuple[str, dict[str, str]]:
    """Return the type of entry and the fields that say where a paper is."""
    if venue.startswith("Proc. "):
        return "inproceedings", {"booktitle": venue}
    if venue.startswith("arXiv:"):
        return "misc", {"eprint": venue.removeprefix("arXiv:"), "archiveprefix": "arXiv"}
    if "thesis" in venue:
        return "phdthesis", {"school": venue.rpartition(", ")[2]}
    if "report" in venue:
        return "techreport", {"institution": venue}
    if "Patent" in venue or not venue or "Press" in venue or "Hall" in venue:
        return "misc", {"howpublished": venue}
    if match := _VOLUME.fullmatch(venue):
        return "article", {name: value or "" for name, value in match.groupdict().items()}
    return "article", {"journal": venue}


def _bibtex_authors(authors: tuple[str, ...]) -> str:
    return " and ".join("others" if name == "et al." else _family_first(name) for name in authors)


def _family_first(name: str) -> str:
    match = _NAME.fullmatch(name)
    return f"{match[2]}, {match[1].strip()}" if match else name


def _ascii(text: str) -> str:
    plain = text.replace("ı", "i").replace("ø", "o").replace("β", "beta")
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
