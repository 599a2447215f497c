"""A result as one self-contained page of HTML, to look at and to send around."""

from kvpr_opt.integrations.result_page.page import result_page

__all__ = ["result_page"]
