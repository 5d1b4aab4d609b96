# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of repeated runs: table for people, JSON for machines."""
import json
from statistics import median

from procs import BUILD


def record(case, values, unit, peer=None, peer_name=None, **more):
    """One line of NAME.json. `peer`: the values of what it is compared with.

    `ratio` is the peer's median divided by ours: above 1, ours is shorter.
    """
    middle = median(values)
    other = median(peer) if peer else None
    return {"case": case, "value": round(middle, 3), "unit": unit, "runs": len(values),
            "median": round(middle, 3), "max": round(max(values), 3),
            "peer": None if other is None else round(other, 3),
            "ratio": round(other / middle, 2) if other and middle else None,
            "peer_name": peer_name} | more


def table(headings, rows):
    """Text columns; numbers to the right."""
    cells = [[_text(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = []
    for number, row in enumerate(cells):
        is_number = [number > 0 and not isinstance(rows[number - 1][i], str)
                     for i in range(len(row))]
        lines.append("  ".join(c.rjust(w) if n else c.ljust(w)
                               for c, w, n in zip(row, widths, is_number)).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def _text(cell):
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def save(name, records):
    """Writes BUILD/bench/NAME.json and returns its path."""
    path = BUILD / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=1) + "\n")
    return path
