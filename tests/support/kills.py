"""Commands that are killed at a step of theirs, and what is left then.

To be used in one of `tests.support.preloaded.workers`.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from tests.e2e.traces import cgroups_with, eventually, mounts_with, processes_with
from tests.support import preloaded
from tests.support.cli import Imgfetch
from tests.support.struck import Counts, Step, counted, struck
from tests.support.trees import Tree
from tests.support.whole_commands import (
    COMMANDS,
    NAME,
    World,
    check_whole,
    finished,
    names_in,
    output_tree,
    store_tree,
)

REFUSED = {"unpack": 13, "unpack --rootfs-only": 13, "save --as oci": 2}


@dataclass(frozen=True, slots=True)
class Case:
    """A command of which the outcome is known.

    Attributes:
        world: where it runs.
        command: see `COMMANDS`.
        counts: the calls that it makes.
        before: the store, when it begins.
        after: the store, when it has ended.
        output: what it writes.
    """

    world: World
    command: str
    counts: Counts
    before: Tree
    after: Tree
    output: Tree

    @classmethod
    def of(cls, world: World, command: str) -> Case:
        """Lets the command come to its end."""
        clean = world.place(f"{command}/clean", COMMANDS[command][0])
        before = store_tree(clean.store)
        counts = counted(clean, *world.args(command), log=clean.store.parent / "log")
        return cls(world, command, counts, before, store_tree(clean.store), output_tree(clean))

    def outcome(self, step: Step) -> str:
        """Kills the command at a step, and sees what the next one makes of that.

        Returns:
            How the command ended, or what was wrong afterwards.
        """
        try:
            return str(self._strike(step))
        except Exception as error:  # noqa: BLE001 - told with the outcomes of all other steps
            return "".join(traceback.format_exception(error))

    def _strike(self, step: Step) -> int:
        here = self.world.place(f"{self.command}/{step}", COMMANDS[self.command][0])
        result = struck(here, step, *self.world.args(self.command))
        assert "a bug in imgfetch" not in result.errors, result.errors
        assert "Traceback" not in result.errors, result.errors
        containers = names_in(here.store / "runs")
        self._check_whole(here)
        self._go_on(here)
        self._check_whole(here)
        for container in containers:
            assert cgroups_with(container) == []
        self._check_clean(here)
        return result.returncode

    def _go_on(self, here: Imgfetch) -> None:
        if self.command == "rmi":
            listed = preloaded.run(here, "images").succeeded().lines
            if not any(line.startswith(f"{NAME} ") for line in listed):
                return
        # A directory that is whole is not made again.
        there = self.command in REFUSED and finished(output_tree(here)) == self.output
        preloaded.run(here, *self.world.args(self.command)).exited(
            REFUSED[self.command] if there else 0
        )

    def _check_whole(self, here: Imgfetch) -> None:
        """All that can be seen is complete, and nothing runs or is mounted any more."""
        place = f"{here.store.parent}/"
        assert eventually(lambda: not processes_with(place)), processes_with(place)
        assert eventually(lambda: not mounts_with(place)), mounts_with(place)
        check_whole(here, self.command, self.before | self.after, self.output)

    def _check_clean(self, here: Imgfetch) -> None:
        """Nothing is left of what was killed, at the latest after prune."""
        if store_tree(here.store) != self.after:
            preloaded.run(here, "prune").succeeded()
        store = store_tree(here.store)
        assert set(store) == set(self.after)
        assert store == self.after
        assert output_tree(here) == self.output
