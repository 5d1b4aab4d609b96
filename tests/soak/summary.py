# SPDX-License-Identifier: GPL-2.0-or-later
"""The table at the end of a soak."""
from collections import Counter, defaultdict

BAD = ("two-owners", "overlap-unreported", "not-whole", "no-service", "sanitizer")
LIVED = 50  # faults that an agent went through before its memory is compared


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def row(name, lines):
    back = [line["back_ms"] for line in lines if line["back_ms"] >= 0]
    whole = [line["whole_ms"] for line in lines if line["whole_ms"] >= 0]
    verdicts = Counter(line["verdict"] for line in lines)
    rest = " ".join(f"{key}:{count}" for key, count in verdicts.items() if key != "ok")
    return (f"{name:16} {len(lines):6} {sum(l['two'] for l in lines):4} "
            f"{sum(l['both'] for l in lines):5} {sum(l['mute'] for l in lines):5} "
            f"{quantile(back, .5):8.1f} {quantile(back, .99):8.1f} {max(back, default=0):8.1f} "
            f"{quantile(whole, .5):8.0f} {max(whole, default=0):8.0f}  {rest}")


def memory(lines):
    """How the resident memory of the agents that lived longest went."""
    seen = defaultdict(list)
    for line in lines:
        for pid, kb in line.get("rss_kb", {}).items():
            if kb:
                seen[pid].append(kb)
    found = sorted(((len(kbs), kbs) for kbs in seen.values() if len(kbs) > LIVED), reverse=True)
    return [f"agent through {count} faults: {kbs[0]} kB resident at first, {kbs[count // 2]} kB "
            f"halfway, {kbs[-1]} kB at last" for count, kbs in found[:4]]


def summarize(lines):
    """(text, whether all is as it should be)"""
    kinds = defaultdict(list)
    for line in lines:
        kinds[line["kind"]].append(line)
    head = (f"{'fault':16} {'count':>6} {'two':>4} {'both':>5} {'mute':>5} {'back p50':>8} "
            f"{'p99':>8} {'max':>8} {'whole':>8} {'max':>8}  exceptions (ms)")
    text = [head] + [row(name, some) for name, some in sorted(kinds.items())]
    text.append(row("all", lines))
    for mode in sorted({line["mode"] for line in lines}):
        text.append(row(f"mode {mode}", [line for line in lines if line["mode"] == mode]))
    declared = [line for line in lines if "overlap_ms" in line]
    both = [line for line in declared if line["declared_two"] or line["declared_both"]]
    if declared:
        text.append(f"partitions declared: {len(declared)}, with two owners: {len(both)}, ended "
                    f"after healing within p50/max "
                    f"{quantile([l['two_after_end_ms'] for l in both], .5):.1f}/"
                    f"{max([l['two_after_end_ms'] for l in both], default=0):.1f} ms")
        more = [line["reported_ms"] - line["overlap_ms"] for line in both]
        text.append(f"overlap as the agents report it, less what the sink saw: min/p50/max "
                    f"{min(more, default=0):.1f}/{quantile(more, .5):.1f}/"
                    f"{max(more, default=0):.1f} ms")
    text.append(f"frames under way when their node fell silent: "
                f"{sum(l['flight'] for l in lines)}; overtaken by the next owner's: "
                f"{sum(l['crossed'] for l in lines)}")
    text += memory(lines)
    return "\n".join(text) + "\n", not any(line["verdict"] in BAD for line in lines)
