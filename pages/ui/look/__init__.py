"""How things look: theme, tooltips, the list of pages, names of plans and numbers as text.

Not here: anything that knows of the session or asks a worker. Next door: `session`.
"""

from . import chart_tools, formats, frame, markup, plan_names, theme
from .glossary import TERMS

__all__ = ["TERMS", "chart_tools", "formats", "frame", "markup", "plan_names", "theme"]
