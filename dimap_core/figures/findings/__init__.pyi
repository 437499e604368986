"""What other rooms may import from `figures.findings`."""

from .cuts import (
    bears as bears,
    beside_dense as beside_dense,
    cells as cells,
    confusions as confusions,
    curves as curves,
    cut as cut,
    drops as drops,
    extremes as extremes,
    foretold as foretold,
    front as front,
    kept as kept,
    listed as listed,
    mask as mask,
    percent as percent,
    plain_threshold as plain_threshold,
    ranks as ranks,
    ridges as ridges,
    units as units,
)
from .pairs import (
    BEYOND as BEYOND,
    Named as Named,
    beyond as beyond,
    chance as chance,
    pair as pair,
)
from .slides import kind as kind, numbers as numbers, statement as statement
from .sweeps import deepest as deepest, unbeaten as unbeaten
from .trainings import (
    indicators as indicators,
    kernels as kernels,
    learning as learning,
    mixers as mixers,
    redistribution as redistribution,
    similarity as similarity,
)
