"""What pages are made of, and the only place beside them that imports streamlit: rooms with one door each.

    look <- session <- parts <- story <- live <- recipe_line <- exercises <- rooms of one page each <- pages/*.py

A room imports rooms to the left of it, by their doors only: what a door lists in `__all__` is all that others may use.
Modules on a door are read with their name before what they offer: `state.current()`, `cache.shared()`.
"""
