"""What all kinds of workload have in common.

A workload opens a session with each peer, measures in slices that alternate between the peers, and asks each session for the
result of a round: a dictionary with `value`, in the workload's unit, `errors`, and what else it has measured."""
import contextlib

from peers import PEERS, Work


class Workload:
    unit = "requests/s"
    higher_is_better = True
    rounds = None  # at most, where more of them say nothing new

    def __init__(self, text, goals, able, usual, work=Work()):
        """`able`: peers that can do it; `usual`: those that are asked if nobody says which."""
        self.text, self.goals, self.able, self.usual, self.work = text, goals, able, usual, work

    def peers(self, wanted):
        """In the order in which they are shown; weir is always among them, and nginx if it can do it."""
        names = set(wanted or self.usual) | {"nginx", "weir"}
        return [peer for name, peer in PEERS.items() if name in names and name in self.able]

    def slices(self, settings):
        """How many a round has."""
        del settings
        return 1

    def session(self, peer, servers, settings):
        raise NotImplementedError


class Session(contextlib.ExitStack):
    """Of one peer in one round. What is entered into it ends with it."""

    def __init__(self, workload, peer, servers, settings):
        super().__init__()
        self.workload, self.peer, self.servers, self.settings = workload, peer, servers, settings

    def measure(self):
        """One slice."""
        raise NotImplementedError

    def result(self):
        raise NotImplementedError
