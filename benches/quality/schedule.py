"""Which zoos are worked on, when, and by which processors."""

import os
from queue import Queue


def grouped(rigs, folders):
    """[(names, zoo seed)]: what is done one after another, of the rigs {name: rig} that keep cells in `folders`.

    A control shares zoos with the rig that it is of, and follows it. From the last rig on, as the first take least: at the
    end no processor waits long for another.
    """
    shared = {}
    for name in sorted(reversed(rigs), key=lambda name: bool(rigs[name].control_of)):
        for seed in rigs[name].zoo_seeds:
            shared.setdefault((folders[name], seed), []).append(name)
    return [(names, seed) for (_, seed), names in shared.items()]


def rounds(work, jobs):
    """[(part of the work, how much of it at a time)]: what is left over of the last round shares all processors."""
    jobs = max(1, jobs)
    rest = len(work) % jobs
    parts = [(work[: len(work) - rest], jobs), (work[len(work) - rest :], rest)]
    return [part for part in parts if part[0]]


def shares(jobs):
    """Each job's processors: programs that share them wait for each other."""
    processors = sorted(os.sched_getaffinity(0))
    shares = Queue()
    for job in range(jobs):
        shares.put(processors[job % len(processors) :: jobs])
    return shares


def take(shares):
    """Keeps a thread, and what it starts, to the processors of one share."""
    os.sched_setaffinity(0, shares.get())
