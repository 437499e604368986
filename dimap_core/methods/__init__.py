"""Methods: whole papers, from the dense model to the trained smaller one, built from the parts next door."""
