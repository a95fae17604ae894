"""Making the cells of a rig: zoo, alignment, generator and evaluation, each once.

A cell that is there is not made again, and what is half made is thrown away, so a run that was ended goes on.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from figures import CONTROL, DISTILLED, FULL_RANK, ONE_RUN, PUBLISHED, TAUGHT, of_best_rates

ROOT = Path(__file__).resolve().parents[2]
# libtorch's threads spin for a moment while they wait, and then sleep: spinning on beside other work took training
# from 8 s to 90 s, and sleeping at once, of which thousands of small operations each wait to wake up, from 12 s to 34 s.
ENVIRONMENT = {**os.environ, "GOMP_SPINCOUNT": "20000", "RUST_BACKTRACE": "0"}
# What makes cells, beside the programs.
SCRIPTS = [Path(__file__).with_name(name) for name in ("cells.py", "noise.py", "published_flow.py", "snapshots.py")]
# Networks of each baseline that are polished at most.
POLISHED_BASELINES = 20


class Maker:
    def __init__(self, programs, pytorch, folder, rig):
        """`pytorch` is a Python with PyTorch, or None: then no published flow is judged. A control needs it."""
        self.pdiff, self.zoo, self.pytorch = programs / "pdiff", programs / "zoo", pytorch
        self.folder, self.rig = folder, rig
        self.probe = folder / "probe"
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self):
        """Makes what all zoos need. Fails where the folder's cells were made by another recipe or other programs."""
        recipe = self.folder / "recipe.json"
        # A rig and its control share the folder.
        rig = replace(self.rig, about="", control_of="")
        said = {**asdict(rig), "budgets": rig.budgets, "polished_baselines": POLISHED_BASELINES, "images": rig.images}
        said |= {program.name: digest(program) for program in [self.pdiff, self.zoo, *SCRIPTS]}
        if rig.published:
            # Cells without the rival that needs it are other cells.
            said["PyTorch"] = self.pytorch is not None
        said = json.loads(json.dumps(said))
        if not recipe.exists():
            write(recipe, said)
        made_by = json.loads(recipe.read_text())
        if other := [key for key in {**said, **made_by} if said.get(key) != made_by.get(key)]:
            raise SystemExit(f"bench-quality: {self.folder}: was made by another {', '.join(other)}; remove it to make it again")
        fetch(self.rig)
        if self.rig.is_taught:
            export = [self.zoo, "export", *self.rig.network.split(), "-o"]
            self.folder_once(self.probe, lambda part: self.run([*export, part]))

    def make(self, zoo_seed):
        """Makes what is missing of a zoo's cells and gives (zoo seed, generator seed, budget, cell) of all."""
        made = []
        for generator_seed in self.rig.generator_seeds:
            for budget, polishes in self.rig.budgets.items():
                cells = []
                for rate, polish in polishes.items():
                    what = "control" if self.rig.control_of else budget.replace(" ", "-").replace("%", "")
                    name = f"z{zoo_seed}-g{generator_seed}-{what}{rate}"
                    file = self.folder / f"{name}.json"
                    if not file.exists():
                        print(f"{self.folder.name}: {name}", flush=True)
                        self.evaluate(zoo_seed, generator_seed, polish, file)
                    cells.append(json.loads(file.read_text()))
                judged = self.judged(zoo_seed, generator_seed)
                cell = {
                    **of_best_rates(cells),
                    "bytes": self.sizes(zoo_seed, judged[0]),
                    "alignment": self.alignment(zoo_seed),
                    "gates": {generator.stem: self.failed(generator) for generator in judged},
                }
                made.append((zoo_seed, generator_seed, budget, cell))
        return made

    def judged(self, zoo_seed, generator_seed):
        """The generators whose networks the rig is about."""
        kinds = ["-taught", "-distilled"] if self.rig.is_taught else [""]
        if self.rig.control_of:
            kinds = ["-taught", "-control"]
        return [self.folder / f"z{zoo_seed}-g{generator_seed}{kind}.pdiff" for kind in kinds]

    def sizes(self, zoo_seed, generator):
        """Bytes of a zoo and of a generator."""
        files = [file for file in (self.folder / f"z{zoo_seed}/zoo").rglob("*") if file.is_file()]
        return {"zoo": sum(file.stat().st_size for file in files), "generator": generator.stat().st_size}

    def alignment(self, zoo_seed):
        """How long it took to align a zoo and what was held out of it, in seconds; 0 of one run's steps."""
        took = self.folder / f"z{zoo_seed}-aligned.seconds"
        return json.loads(took.read_text()) if took.exists() else 0

    def failed(self, generator):
        """What a generator's gates say where they do not pass."""
        ended = subprocess.run([self.pdiff, "inspect", "--json", generator], check=True, capture_output=True, text=True)
        gates = json.loads(ended.stdout)["about"]["report"]["gates"]
        return [f"{gate['name']} {gate['value']:.2f}" for gate in gates if not gate["passed"]]

    def evaluate(self, zoo_seed, generator_seed, polish, file):
        collection, held_out = self.collections(zoo_seed)
        generator = self.generator(collection, zoo_seed, generator_seed)
        evaluation = file.with_suffix(".part")
        network = self.rig.network
        samples, baselines = self.rig.samples, self.rig.baselines
        if polish is not None:
            samples, baselines = min(samples, self.rig.polished), min(baselines, POLISHED_BASELINES)
        command = [self.pdiff, "evaluate", generator, "-n", samples, "--seed", generator_seed]
        command += ["--baseline-count", baselines, "--held-out", held_out, "-o", evaluation]
        command += ["--score", self.scorer]
        if polish is not None:
            command += ["--polish", f"{quoted(self.zoo)} polish {network} {polish} {{files}}"]
        sets = {}
        if self.rig.control_of:
            # The rig's own table has the other baselines.
            command += ["--baseline", FULL_RANK]
            sets[TAUGHT] = self.taught(collection, zoo_seed, generator_seed)
            sets[CONTROL] = self.control(generator, generator_seed)
        elif self.rig.is_taught:
            if polish is None:
                command += ["--beside", f"{ONE_RUN}={self.one_run(zoo_seed)}"]
            sets[DISTILLED] = self.distilled(collection, zoo_seed, generator_seed)
            sets[TAUGHT] = self.taught(collection, zoo_seed, generator_seed)
            if self.rig.published and self.pytorch:
                sets[PUBLISHED] = self.published_flow(generator, generator_seed)
        for name, networks in sets.items():
            command += ["--beside", f"{name}={first(networks, samples)}"]
        self.run(command)
        cell = json.loads(evaluation.read_text())
        for row in cell["rows"]:
            del row["points"]
        cell["seconds"] = json.loads(self.times(zoo_seed, generator_seed).read_text())
        write(file, cell)
        evaluation.unlink()

    @property
    def scorer(self):
        """What scores networks on the rig's test images, and on half as many of selection."""
        first_image, last_image = self.rig.images
        images = f"--skip {first_image - 1} --images {last_image - first_image + 1}"
        return f"{quoted(self.zoo)} score {self.rig.network} {images} --probabilities {{files}}"

    def collections(self, seed):
        """The zoo and the members held out of it, aligned where they come from different runs: these to those."""
        zoo = self.folder / f"z{seed}"
        command = ["train"] if self.rig.kind == "T" else ["population", "--steps", self.rig.steps]
        command += ["--seed", seed, *self.rig.network.split(), *self.rig.recipe.split()]

        def collect(part):
            part.mkdir()
            return self.run([self.zoo, *command, "--collect", part / "zoo", "--held-out", part / "held-out"])

        def align(part):
            part.mkdir()
            begun = self.run([self.pdiff, "align", zoo / "zoo", "-o", part / "zoo"])
            to = ["--to", part / "zoo", "-o", part / "held-out"]
            return begun + self.run([self.pdiff, "align", zoo / "held-out", *to])

        self.folder_once(zoo, collect)
        learned = zoo
        if self.rig.kind != "T":
            learned = self.folder / f"z{seed}-aligned"
            self.folder_once(learned, align)
        return learned / "zoo", learned / "held-out"

    def one_run(self, seed):
        """Ten snapshots of one run: a warm-up as of kind T, and a member's steps more at the rate it ends with."""
        folder = self.folder / f"z{seed}-one-run"
        command = [self.zoo, "train", "--seed", seed, *self.rig.network.split()]
        command += ["--snapshots", 10, "--every", self.rig.steps // 10, "-o"]
        self.folder_once(folder, lambda part: self.run([*command, part]))
        return folder

    def folder_once(self, folder, make):
        """Has a folder made, and keeps beside it how long that took, in seconds: what `make` gives."""
        if folder.exists():
            return
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        seconds = make(part)
        write(folder.with_name(folder.name + ".seconds"), seconds)
        part.rename(folder)

    def generator(self, collection, zoo_seed, generator_seed):
        generator = self.folder / f"z{zoo_seed}-g{generator_seed}.pdiff"
        times = self.times(zoo_seed, generator_seed)
        if not times.exists():
            untaught = "--untaught" if self.rig.is_taught else ""
            training, held = self.train(collection, generator_seed, f"{self.rig.training} {untaught}", generator)
            samples = generator.with_suffix(".samples.part")
            shutil.rmtree(samples, ignore_errors=True)
            sampling = self.sample(generator, generator_seed, samples)
            shutil.rmtree(samples)
            zoo = json.loads((self.folder / f"z{zoo_seed}.seconds").read_text())
            sampled = {"sampling": sampling, "samples": self.rig.samples}
            write(times, {"zoo": zoo, "training": training, "training_bytes": held, **sampled})
        return generator

    def train(self, collection, seed, options, generator):
        # What goes on from a checkpoint would be timed from there.
        for checkpoint in generator.parent.glob(f"{generator.name}.*checkpoint"):
            checkpoint.unlink()
        command = [self.pdiff, "train", collection, "--seed", seed, *options.split()]
        return self.measured([*command, "-o", generator])

    def sample(self, generator, seed, folder):
        return self.run([self.pdiff, "sample", generator, "-n", self.rig.samples, "--seed", seed, "-o", folder])

    def taught(self, collection, zoo_seed, generator_seed):
        """Networks of a generator that also learned from the training images which networks work."""
        return self.taught_once("teaching", "taught", self.by_examples, collection, zoo_seed, generator_seed)

    def distilled(self, collection, zoo_seed, generator_seed):
        """Networks of a generator that also learned from its snapshots what networks do."""
        told = f"{self.rig.distilling or self.rig.teaching} --distill"
        return self.taught_once("distilling", "distilled", told, collection, zoo_seed, generator_seed)

    def taught_once(self, what, suffix, told, collection, zoo_seed, generator_seed):
        """A folder of a taught generator's networks; what its training took is kept as `what`."""
        folder = self.folder / f"z{zoo_seed}-g{generator_seed}-{suffix}"
        if not folder.exists():
            part, (seconds, held) = self.teach(collection, generator_seed, told, folder)
            times = self.times(zoo_seed, generator_seed)
            write(times, {**json.loads(times.read_text()), what: seconds, f"{what}_bytes": held})
            part.rename(folder)
        return folder

    @property
    def by_examples(self):
        """What a training by the training images is told."""
        return f"{self.rig.teaching} --probe {self.probe}/probe.safetensors"

    def teach(self, collection, seed, told, folder):
        """Makes a folder's generator and its networks, not yet in place: where they are, and what `measured` gave of the
        training."""
        generator = folder.with_suffix(".pdiff")
        told = f"{self.rig.training} {told} --spec {self.probe}/spec.json"
        took = self.train(collection, seed, told, generator)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        self.sample(generator, seed, part)
        return part, took

    def control(self, generator, seed):
        """Networks of a generator that was taught as long, on noise in place of the zoo."""
        folder = generator.with_name(f"{generator.stem}-control")
        if not folder.exists():
            noise, collection = (folder.with_name(f"{folder.name}-{what}") for what in ("noise", "collection"))
            script = Path(__file__).with_name("noise.py")
            command = [self.pytorch, script, "--seed", seed, self.pdiff, generator]
            self.folder_once(noise, lambda part: self.run([*command, part]))
            shutil.rmtree(collection, ignore_errors=True)
            self.run([self.pdiff, "collect", collection, *sorted(noise.glob("*.safetensors"))])
            part, _ = self.teach(collection, seed, self.by_examples, folder)
            part.rename(folder)
        return folder

    def published_flow(self, generator, seed):
        """Networks of the published method, which learned from the same snapshots as the generator."""
        folder = generator.with_name(f"{generator.stem}-published")
        command = [self.pytorch, Path(__file__).with_name("published_flow.py"), "-n", self.rig.samples]
        command += ["--seed", seed, "--steps", self.rig.published, self.pdiff, generator]
        self.folder_once(folder, lambda part: self.run([*command, part]))
        return folder

    def times(self, zoo_seed, generator_seed):
        return self.folder / f"z{zoo_seed}-g{generator_seed}.seconds"

    def run(self, command):
        """How long the command took, in seconds. It fails loudly, with what the program said."""
        return self.measured(command)[0]

    def measured(self, command):
        """How long the command took, in seconds, and the most memory that it held, in bytes."""
        begun = time.monotonic()
        command = [str(word) for word in command]
        with tempfile.TemporaryFile("w+") as said:
            begin = {"cwd": ROOT, "env": ENVIRONMENT, "stdout": subprocess.DEVNULL, "stderr": said}
            with subprocess.Popen(command, **begin) as program:
                # Python's own wait does not say what was used.
                _, status, used = os.wait4(program.pid, 0)
                program.returncode = os.waitstatus_to_exitcode(status)
            if program.returncode:
                said.seek(0)
                raise SystemExit(f"bench-quality: {' '.join(command[:2])} failed: {last(said.read())}")
        return time.monotonic() - begun, used.ru_maxrss << 10


def first(folder, count):
    """A folder of the first networks of one, which has as many at least."""
    networks = sorted(folder.glob("*.safetensors"))
    if len(networks) == count:
        return folder
    chosen = folder.with_name(f"{folder.name}-first-{count}")
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    for network in networks[:count]:
        (chosen / network.name).hardlink_to(network)
    return chosen


def digest(program):
    """Tells programs apart: cells of other code are no part of a table."""
    return hashlib.sha256(program.read_bytes()).hexdigest()


def fetch(rig):
    """Fetches a rig's images where they are not there yet."""
    if rig.data and not (ROOT / "examples/zoo/data/full" / rig.data).exists():
        subprocess.run([ROOT / "examples/zoo/data/fetch", rig.data], check=True)


def write(file, value):
    part = file.with_name(file.name + ".tmp")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(file)


def quoted(path):
    return shlex.quote(str(path))


def last(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
