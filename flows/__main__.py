"""``python -m flows`` is ``winnow``."""

from flows.cli import main

main()
