"""`python -m dimap_core COMMAND ...`; the commands live in `cli`."""

from .cli import main

main()
