"""Members of a population, and what is made of them once: for benches that compare generators of one collection."""

import json
import shlex
import shutil
import subprocess
import sys

NETWORK = "--net mlp --data mnist --pool 2"
# Of a seed that no choice of the method was made on.
MEMBERS = {
    "branched": "--members 333 --branch 400 --steps 4000 --seed 31",
    "independent": "--members 333 --steps 4000 --seed 31",
}
# Test images that no choice of the method saw, from 4,001 on; half as many training images are for choices.
IMAGES, SKIP = 4000, 4000
# What a generator is taught by, as the page calls it.
LESSONS = {"nothing": "nothing", "snapshots": "snapshots (`--distill`)", "examples": "examples (`--probe`)"}
# Rows of those that are judged beside the samples of one that was taught nothing.
TAUGHT = {"distilled samples": "snapshots", "taught samples": "examples"}


class Population:
    """Members as `zoo population` makes them, aligned, and the probe and spec of their networks, in a folder."""

    def __init__(self, pdiff, zoo, folder, network, members):
        self.pdiff, self.zoo, self.folder = pdiff, zoo, folder
        self.network, self.members = network.split(), members.split()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def aligned(self):
        """The aligned collection."""
        made, aligned = self.folder / "members", self.folder / "aligned"
        once(made, lambda part: run([self.zoo, "population", *self.network, *self.members, "--collect", part]))
        once(aligned, lambda part: part.mkdir() or run([self.pdiff, "align", made, "-o", part / "zoo"]))
        return aligned / "zoo"

    @property
    def probe(self):
        """The folder of probe.safetensors, training images, and of spec.json, how the networks compute."""
        probe = self.folder / "probe"
        once(probe, lambda part: run([self.zoo, "export", *self.network, "-o", part]))
        return probe

    def score(self, images, skip=0):
        """The scoring program, by so many test images, and by half as many training images to choose by."""
        return [self.zoo, "score", *self.network, "--images", images, "--skip", skip, "{files}"]

    def lesson(self, name):
        """The generator of one of the lessons."""
        examples, spec = self.probe / "probe.safetensors", self.probe / "spec.json"
        told = {
            "nothing": ["--untaught"],
            "snapshots": ["--distill", "--spec", spec],
            "examples": ["--probe", examples, "--spec", spec],
        }
        return self.generator(name, told[name])

    def sampled(self, lesson, count):
        """A folder of so many networks of a lesson's generator."""
        folder = self.folder / f"{lesson}-{count}"
        once(folder, lambda part: run([self.pdiff, "sample", self.lesson(lesson), "-n", count, "-o", part]))
        return folder

    def taught(self, count):
        """Options of an evaluation by which so many networks of each taught generator are rows of it."""
        options = []
        for row, lesson in TAUGHT.items():
            options += ["--beside", f"{row}={self.sampled(lesson, count)}"]
        return options

    def judged(self, generator, said, options, score=None):
        """Rows of an evaluation by name, which is kept in the file `said` and not made again; by default on the test images."""
        score = score or self.score(IMAGES, SKIP)
        if not said.exists():
            run([self.pdiff, "evaluate", generator, *options, "-o", said, "--score", words(score)])
        return {row["name"]: row | row["score"] for row in json.loads(said.read_text())["rows"]}

    def generator(self, name, told):
        """A generator by what `pdiff train` is told."""
        file = self.folder / f"{name}.pdiff"
        if not file.exists():
            run([self.pdiff, "train", self.aligned, *told, "-o", file])
        return file


def words(command):
    """A command as one text."""
    return shlex.join(map(str, command))


def once(folder, make):
    """Has a folder made where it is not there; what is half made is thrown away."""
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        make(part)
        part.rename(folder)


def run(command):
    """Runs a program, whose failure ends the bench with what it said."""
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command[:2]))} failed: {ended.stderr.strip()}")
