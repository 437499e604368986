"""The parts of the page for teachers: a class is opened, plan, lessons with their answers, the sheet to print.

Not here: the texts (assets/lessons). Next door: `board`, the class's own page.
"""

from . import lessons, opening, plan, sheet, words

__all__ = ["lessons", "opening", "plan", "sheet", "words"]
