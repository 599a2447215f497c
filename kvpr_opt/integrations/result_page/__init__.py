"""A result as one self-contained HTML page, for viewing and sharing."""

from kvpr_opt.integrations.result_page.page import result_page

__all__ = ["result_page"]
