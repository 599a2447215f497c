"""``python -m kvpr_opt`` is the command ``kvpr-opt``."""

from kvpr_opt.cli import main

main()
