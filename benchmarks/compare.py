"""Two reports side by side: figures, and the binary tasks by protocol, as Markdown.

    ecgsdk validate --real ptb-xl/ --out flow/
    ecgsdk validate --generator yoo2023 --real ptb-xl/ --out yoo/
    python benchmarks/compare.py flow/report.json yoo/report.json

Values stand with their 95 % intervals, each beside its floor, the same figure of real against real ECGs.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from tables import markdown


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sections", default="utility,fidelity,privacy", show_default=True, help="Whose figures to print.")
@click.option("--names", help="What to call them, joined by commas; default: by their models.")
def main(reports: tuple[Path, ...], sections: str, names: str | None) -> None:
    """Print figures of several reports beside each other."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in reports]
    called = names.split(",") if names else [report["synthetic"]["provenance"]["model"] for report in read]
    if len(called) != len(read):
        raise click.UsageError(f"{len(read)} reports and {len(called)} names")
    for section in sections.split(","):
        rows = figures(read, section)
        if rows:
            print(f"\n{section}\n")
            print(markdown(("", *[f"{name}{end}" for name in called for end in ("", ", floor")]), rows))
    for name, report in zip(called, read):
        print(f"\nnormal against each group, {name}\n")
        print(markdown(*binary_tasks(report)))


def figures(reports: list[dict], section: str) -> list[tuple[object, ...]]:
    """A row for each figure that any of the reports has in a section: value with interval, and floor, of each."""
    found = [
        {m["name"]: m for s in report["sections"] if s["name"] == section for m in s["measures"]} for report in reports
    ]
    rows = []
    for name in dict.fromkeys(name for measures in found for name in measures):
        told = next(measures[name] for measures in found if name in measures)
        title = told["title"] + (f", {told['unit']}" if told["unit"] else "")
        rows.append((title, *(cell for measures in found for cell in shown(measures.get(name)))))
    return rows


def shown(measure: dict | None) -> tuple[str | None, float | None]:
    """Value with its interval, and the floor."""
    if measure is None or measure["value"] is None:
        return None, None
    value = f"{measure['value']:.4g}"
    if measure["low"] is not None and measure["high"] is not None:
        value += f" ({measure['low']:.4g}–{measure['high']:.4g})"
    floor = measure["floor"]
    return value, None if floor is None else float(f"{floor:.4g}")


def binary_tasks(report: dict) -> tuple[list[str], list[list[object]]]:
    """Head and rows of the table of binary tasks, rounded as percentages are."""
    tables = [
        t for s in report["sections"] if s["name"] == "utility" for t in s["tables"] if t["name"] == "binary_tasks"
    ]
    head = tables[0]["columns"] if tables else []
    last = len(head) - 1
    rows = [
        [round(cell, 3 if k == last else 1) if isinstance(cell, float) else cell for k, cell in enumerate(row)]
        for table in tables
        for row in table["rows"]
    ]
    return head, rows


if __name__ == "__main__":
    main()
