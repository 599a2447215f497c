"""Answers about running fleets as self-contained pages of HTML."""

from kvpr_opt.operate.pages.replan import replan_page
from kvpr_opt.operate.pages.size import size_page

__all__ = ["replan_page", "size_page"]
