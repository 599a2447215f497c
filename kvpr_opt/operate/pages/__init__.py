"""Answers about running fleets as self-contained HTML pages."""

from kvpr_opt.operate.pages.replan import replan_page
from kvpr_opt.operate.pages.size import size_page

__all__ = ["replan_page", "size_page"]
