"""The Recover page's parts: controls of the searches, cards of the jobs, what each method's card shows and published.

Not here: starting and finding jobs (`session.jobs`). Next door: `parts`.
"""

from . import apma_results, job_cards, searches, spvit_published

__all__ = ["apma_results", "job_cards", "searches", "spvit_published"]
