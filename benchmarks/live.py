"""tmp"""
import os, platform
import numpy, torch
from pathlib import Path

def machine():
    return "m"

def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
