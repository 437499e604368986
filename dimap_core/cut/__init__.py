"""Cuts: Selection -> pruned model, always on a copy. `masks` writes zeros."""
