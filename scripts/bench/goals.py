"""What weir shall reach in a workload: a figure of its own, or times that of a peer."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Goal:
    number: float
    times: str | None = None  # of this peer's; of nothing: the figure itself
    measure: str = "value"
    at_least: bool = True

    def judge(self, found):
        """Whether it is reached; None without a figure."""
        if found is None:
            return None
        return found >= self.number if self.at_least else found <= self.number

    def text(self, unit):
        what = {"value": "", "cpu_us": "processor time a request "}[self.measure]
        of = f"times {self.times}" if self.times else unit
        return f"{what}at {'least' if self.at_least else 'most'} {self.number:,g} {of}"


def at_least(number, times=None):
    return Goal(number, times)


def at_most(number, times=None, measure="value"):
    return Goal(number, times, measure, at_least=False)
