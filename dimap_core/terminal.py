"""What commands print: one JSON object, or text in columns. Next door: `cli` and `reproduce` are the commands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer


def emit(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the object as one line of JSON, or the text."""
    typer.echo(json.dumps(result) if as_json else text)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as aligned text columns."""
    cells = [{key: _cell(value) for key, value in row.items()} for row in rows]
    if not cells:
        return ""
    widths = {key: max(len(key), *(len(row[key]) for row in cells)) for key in cells[0]}
    lines = [{key: key for key in widths}, *cells]
    return "\n".join("  ".join(line[key].rjust(width) for key, width in widths.items()) for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
