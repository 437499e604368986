"""Sets of images as people have them, written from the digits' first images; and whether just those were read."""

import csv
import io
import json

import numpy as np
from PIL import Image

from dimap_core import pipeline
from dimap_core.data import ImageSource, load_data

DIGITS = load_data("digits")
NUMBERS = range(40)
NAMES = [f"{number:04d}.png" for number in NUMBERS]
LABELS = [int(DIGITS.labels[number]) for number in NUMBERS]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def png(number):
    content = io.BytesIO()
    Image.fromarray(DIGITS.images[number].transpose(1, 2, 0)).save(content, "PNG")
    return content.getvalue()


def write(root, files):
    """Files by their path: bytes or text."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def images(below="", names=NAMES):
    return {f"{below}{name}": png(number) for name, number in zip(names, NUMBERS, strict=True)}


def table(header, rows, sign=","):
    made = io.StringIO()
    csv.writer(made, delimiter=sign).writerows([header, *rows] if header else rows)
    return made.getvalue()


def chosen(opened, given, **settings):
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(str(given), **{"count": 0, **settings}))
    return found.chosen


def same(found, numbers=NUMBERS):
    """Exactly these of the digits, each with its own label as the model counts."""
    outputs = np.arange(10) if found.judged.outputs is None else found.judged.outputs
    shown = zip(outputs[found.judged.labels], found.judged.images[:], strict=True)
    return sorted((int(label), image.tobytes()) for label, image in shown) == sorted(
        (int(DIGITS.labels[number]), DIGITS.images[number].tobytes()) for number in numbers
    )


def told(found, part):
    return any(part in note for note in found.facts.notes)


PAIRS = list(zip(NAMES, LABELS, strict=True))
LINES = "".join(json.dumps({"file_name": name, "label": label, "more": [1]}) + "\n" for name, label in PAIRS)
