# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of cases. Each takes a Scale, makes a Bed, breaks something and returns the bed's row."""

import dataclasses
import random

CASES = {}
SLOW = []  # those that take long without doing much: they begin first


@dataclasses.dataclass
class Scale:
    """How much is done: `long` as much as it takes, else what three minutes allow. `random` decides what is up to
    chance: with the same seed it decides the same."""

    directory: object
    long: bool
    soak: bool
    random: random.Random

    def of(self, short, long):
        return long if self.long else short

    def some(self, usual, least, most):
        """A number that matters little, and in a soak is another one each time."""
        return self.random.randint(least, most) if self.soak else usual


def case(fault, slow=False):
    """Registers a function under what its line in the table says."""

    def register(function):
        CASES[function.__name__] = (fault, function)
        if slow:
            SLOW.append(function.__name__)
        return function

    return register
