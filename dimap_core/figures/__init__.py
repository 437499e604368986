"""Figures: plotly pictures from plain data. One file for each figure family; nothing is computed here but places.

Next door: `summaries` counts what is drawn, `look` holds palette and fonts.
"""
