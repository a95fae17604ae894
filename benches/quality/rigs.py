"""What is judged: kinds of zoo by architectures, with the recipe of each.

Kinds: T, consecutive steps of one run; S, runs branched from one short warm-up; I, independent seeds. When the zoos'
seeds and the test images were set, no table had been made of them: constants of the method and recipes had been settled
on others (docs/benchmarks.md).
"""

from dataclasses import dataclass, replace

ZOO_SEEDS = (201, 202, 203)
GENERATOR_SEEDS = (1, 2, 3)
# Of rigs that take long, so that one takes 20 minutes at most and all of them two hours; their standard errors are those
# of one zoo's networks.
FIRST = ZOO_SEEDS[:1]
LAST = ZOO_SEEDS[2:]
# Of a rig whose first table changed the method: a flow that collapses, as that of its zoo 201 did, is left out since.
AFTER = (204,)


@dataclass(frozen=True)
class Rig:
    kind: str  # T, S or I
    about: str
    network: str  # what every zoo command is told
    data: str  # what examples/zoo/data/fetch is told; empty: in the repository
    recipe: str  # of `zoo train` for T, of `zoo population` for S and I
    steps: int = 0  # of one member, which polish is a share of
    # The highest rates of a polish of 1% and of 10%: each row has the one that is best on its selection images.
    peaks: tuple = ((1e-3, 1e-2), (3e-3, 1e-2))
    training: str = ""  # what every `pdiff train` is told
    teaching: str = ""  # the same of the generators that are taught by a behaviour loss
    distilling: str = ""  # what the distilled one is told in place of that, where it is another
    samples: int = 100
    baselines: int = 40  # networks of each
    polished: int = 50  # of each set but baselines that are polished at most: a polish is made at two rates
    zoo_seeds: tuple = ZOO_SEEDS
    # Of each zoo; with polish, S and I have five cells of each, so they take one generator, or all would take hours longer.
    generator_seeds: tuple = GENERATOR_SEEDS[:1]
    is_polished: bool = True
    published: int = 0  # training steps of the published flow that is judged beside ours; 0 for none
    # Whose taught samples are judged beside those of a generator taught on noise, and no more than that: what both need is
    # made in that rig's folder. Empty of the other rigs.
    control_of: str = ""

    @property
    def is_taught(self):
        """On trajectories a generator has nothing to learn from images: its samples score as new snapshots do."""
        return self.kind != "T"

    @property
    def budgets(self):
        """Polish, by what it is called: the arguments of `zoo polish` for each rate, or None for none."""
        budgets = {"weights only": {"": None}}
        if self.kind != "T" and self.is_polished and not self.control_of:
            for share, batch, peaks in [(1, 256, self.peaks[0]), (10, 64, self.peaks[1])]:
                told = f"--steps {self.steps * share // 100} --batch {batch}"
                budgets[f"polish {share}%"] = {f"-{peak}": f"--peak {peak} {told}" for peak in peaks}
        return budgets

    @property
    def images(self):
        """The first and the last test image, from 1 on, that networks are scored on.

        Choices and earlier tables used the images before these. The part of Fashion-MNIST in the repository has no others.
        """
        return (8001, 10_000) if self.data else (1, 2000)


# One network in ten is held out; the zoos are those that are left.
RUN = "--snapshots 333"
MNIST = "--data mnist"
FASHION = "--data fashion"
SUBSET = "--data fashion-subset"
# For members that differ little: at the recipe's own rate, 1e-2, a polish first undoes what networks have learned.
GENTLE = ((1e-3, 1e-2), (1e-3, 1e-2))
# Steps that the published flow is trained for, by its authors' configuration.
PUBLISHED = 30_000

RIGS = {
    "t-mlp": Rig(
        "T",
        "MLP 784-32-32-10, MNIST",
        f"--net mlp {MNIST}",
        "mnist",
        RUN,
        generator_seeds=GENERATOR_SEEDS,
    ),
    "t-cnn": Rig(
        "T",
        "CNN of 6,678 parameters, Fashion-MNIST",
        f"--net cnn {FASHION}",
        "fashion",
        RUN,
        generator_seeds=GENERATOR_SEEDS,
    ),
    "t-lenet5": Rig(
        "T",
        "LeNet-5, MNIST",
        f"--net lenet5 {MNIST}",
        "mnist",
        RUN,
        baselines=20,
        generator_seeds=GENERATOR_SEEDS,
    ),
    "s-mlp": Rig(
        "S",
        "MLP 784-32-32-10, MNIST",
        f"--net mlp {MNIST}",
        "mnist",
        "--members 333 --branch 200",
        peaks=GENTLE,
        steps=2000,
        zoo_seeds=FIRST,
    ),
    "s-mlp128": Rig(
        "S",
        "MLP 784-128-128-10, MNIST",
        f"--net mlp --widths 128,128 {MNIST}",
        "mnist",
        "--members 111 --branch 100",
        peaks=GENTLE,
        steps=1000,
        teaching="--behaviour-batch 64 --behaviour-steps 2000",
        zoo_seeds=AFTER,
    ),
    "s-mlp196": Rig(
        "S",
        "MLP 196-32-32-10, MNIST 14x14",
        f"--net mlp {MNIST} --pool 2",
        "mnist",
        "--members 333 --branch 400",
        peaks=GENTLE,
        steps=4000,
        zoo_seeds=LAST,
        published=PUBLISHED,
    ),
    "s-cnn": Rig(
        "S",
        "CNN of 6,678 parameters, Fashion-MNIST",
        f"--net cnn {FASHION}",
        "fashion",
        "--members 111 --branch 100",
        peaks=GENTLE,
        steps=1000,
        teaching="--behaviour-batch 128 --behaviour-steps 3000",
        baselines=20,
        zoo_seeds=FIRST,
    ),
    "i-mlp196": Rig(
        "I",
        "MLP 196-32-32-10, MNIST 14x14",
        f"--net mlp {MNIST} --pool 2",
        "mnist",
        "--members 333",
        steps=4000,
        zoo_seeds=LAST,
        published=PUBLISHED,
    ),
    "i-mlp": Rig(
        "I",
        "MLP 784-32-32-10, MNIST",
        f"--net mlp {MNIST}",
        "mnist",
        "--members 568",
        steps=2000,
        baselines=20,
        zoo_seeds=FIRST,
        published=PUBLISHED,
    ),
    # Users' case 30: 200 seeds.
    "i-cnn": Rig(
        "I",
        "CNN of 6,656 parameters, Fashion-MNIST",
        f"--net cnn-6656 {FASHION}",
        "fashion",
        "--members 222",
        steps=2000,
        teaching="--behaviour-batch 128",
        distilling="--behaviour-batch 128 --behaviour-steps 2500",
        samples=60,
        baselines=12,
        polished=30,
        zoo_seeds=LAST,
    ),
    "small": Rig(
        "T",
        "CNN of 6,678 parameters, 10 snapshots of one run",
        f"--net cnn {FASHION}",
        "fashion",
        "--snapshots 11 --every 30",
        generator_seeds=GENERATOR_SEEDS,
    ),
}


def controls(rigs, *names):
    """Rigs by themselves, so that one that takes long leaves its control to another run."""
    return {
        f"{name}-control": replace(rigs[name], about=f"{rigs[name].about}, the control of teaching", control_of=name)
        for name in names
    }


CONTROLS = controls(RIGS, "s-mlp196", "i-mlp196", "i-cnn")

# Three zoos by three generators, weights alone: what one zoo and one generator leave open. Not of the whole set, for time.
SEEDS = {
    f"{name}-seeds": replace(
        RIGS[name],
        about=f"{RIGS[name].about}, three zoos by three generators",
        zoo_seeds=ZOO_SEEDS,
        generator_seeds=GENERATOR_SEEDS,
        is_polished=False,
        published=0,
    )
    for name in ("s-mlp196", "i-mlp196")
}

# What CI runs: every stage of a population at reduced size, on images in the repository.
SHORT = {
    "short": Rig(
        "I",
        "MLP 49-8-8-10, part of Fashion-MNIST 7x7",
        f"--net mlp --widths 8,8 {SUBSET} --pool 4",
        "",
        "--members 66 --peak 1e-2",
        steps=300,
        peaks=((1e-2,), (1e-3, 1e-2)),
        training="--steps 200",
        teaching="--behaviour-steps 50",
        samples=20,
        baselines=10,
        zoo_seeds=(101,),
        published=200,
    )
}
SHORT |= controls(SHORT, "short")
