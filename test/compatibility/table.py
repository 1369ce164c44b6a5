"""What was found, beside what is known: as a table by server and check, with the reasons below."""
from known import ALL, known
from servers import KINDS

_NEITHER = "–"


class Results:
    def __init__(self, checks):
        self._checks = checks
        self._rows = {}
        self._reasons = []
        self.wrong = []  # what is not as it is known to be

    def add(self, server, check, directly, through, show=False):
        """The two outcomes: (whether it works, what is to be told)."""
        expected = known(server, KINDS[server].interface, check)
        self._judge(server, check, (directly, through), expected)
        word = "yes" if through[0] else "no" if directly[0] else _NEITHER
        of_all = expected and ALL in expected.servers  # said at the head of the column
        self._rows.setdefault(server, {})[check] = word if of_all else word + self._number(expected)
        if show:
            for way, (works, told) in (("directly", directly), ("weir", through)):
                print(f"   {check:<12} {way:<9}{'yes' if works else 'no'}{': ' if told else ''}{told}", flush=True)

    def _judge(self, server, check, outcomes, expected):
        wanted = (expected.directly, expected.through) if expected else (True, True)
        why = f"known is: {expected.why}" if expected else "it should work"
        for way, (works, told), should in zip(("directly", "through weir"), outcomes, wanted):
            if works != should:
                self.wrong.append(f"{server}, {check}, {way}: {'it works' if works else f'no: {told}'}; {why}")

    def _number(self, expected):
        if not expected:
            return ""
        if expected.why not in self._reasons:
            self._reasons.append(expected.why)
        return f" [{self._reasons.index(expected.why) + 1}]"

    def show(self, markdown):
        of_all = {check: known(ALL, ALL, check) for check in self._checks}
        head = ["", *(check + self._number(of_all[check]) for check in self._checks)]
        rows = [head, *([server, *of.values()] for server, of in self._rows.items())]
        print()
        if markdown:
            print("\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows[1:])))
        else:
            widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
            for row in rows:
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        print()
        for number, reason in enumerate(self._reasons, 1):
            print(f"{number}. {reason}" if markdown else f"[{number}] {reason}")
