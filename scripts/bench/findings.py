"""What a workload found: figures, the goals that some of them have, and rules that must hold. Shown as a table, kept as JSON."""
import math


class Findings:
    def __init__(self, title):
        self.title = title
        self._rows = []
        self.data = {}  # for the JSON alone

    def figure(self, name, value, unit=""):
        self._rows.append({"name": name, "value": value, "unit": unit})

    def at_most(self, name, value, goal, unit=""):
        self._goal(name, value, goal, unit, "at most", value <= goal)

    def at_least(self, name, value, goal, unit=""):
        self._goal(name, value, goal, unit, "at least", value >= goal)

    def rule(self, name, held, detail=""):
        self._rows.append({"name": name, "value": detail, "unit": "", "rule": True, "reached": bool(held)})

    def _goal(self, name, value, goal, unit, relation, reached):
        self._rows.append({"name": name, "value": value, "unit": unit, "wanted": f"{relation} {_text(goal)} {unit}".strip(),
                           "reached": bool(reached) and not math.isnan(value)})

    def short(self):
        """What did not hold or was not reached."""
        return [row["name"] for row in self._rows if not row.get("reached", True)]

    def show(self):
        print(f"\n{self.title}")
        width = max(len(row["name"]) for row in self._rows)
        for row in self._rows:
            line = f"  {row['name']:<{width}}  {_text(row['value'])} {row['unit']}".rstrip()
            if "wanted" in row:
                line += f"; wanted {row['wanted']}: {'reached' if row['reached'] else 'NOT REACHED'}"
            elif "rule" in row:
                line += ": holds" if row["reached"] else ": DOES NOT HOLD"
            print(line, flush=True)

    def json(self):
        rows = [{name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
                for row in self._rows]
        return {"title": self.title, "figures": rows, "short": self.short(), **self.data}


def _text(value):
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
