"""Reconstruction: what refit leaves of a layer's output error when units go one after the other, plain and in nats.

`plain` and `weighed` are the two criteria; `elimination` and `weights` do their maths (no torch, no model); `moments`,
`outputs` and `qk_scale` gather from images, without labels, what they read.
Next door: `registry` lists them, `obs` scores every unit as if it went alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
