"""`python -m dimap_core COMMAND ...`; the commands live in `cli`."""

from dimap_core import main

main()
