"""Tests of what programs are told: `python3 -m unittest discover -s benches/quality`."""

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from cells import Maker
from rigs import CONTROLS, RIGS, SHORT


class Told(Maker):
    """A maker that runs nothing and keeps every command."""

    def __init__(self, folder, rig):
        super().__init__(Path("programs"), None, folder, rig)
        self.commands = []

    def measured(self, command):
        self.commands.append([str(word) for word in command])
        if "sample" in command:
            command[-1].mkdir()
        return 0.0, 0


class ScoringTest(unittest.TestCase):
    def test_images_that_were_seen_are_left_out_and_no_others(self):
        with tempfile.TemporaryDirectory() as folder:
            maker = Told(Path(folder), RIGS["s-mlp"])
        self.assertEqual(maker.rig.images, (8001, 10_000))
        self.assertIn(" --skip 8000 --images 2000 ", maker.scorer)


class TrainingTest(unittest.TestCase):
    def test_no_option_is_told_twice(self):
        for name, rig in (RIGS | SHORT).items():
            if not rig.is_taught:
                continue
            with self.subTest(rig=name), tempfile.TemporaryDirectory() as folder:
                maker = Told(Path(folder), rig)
                maker.times(1, 1).write_text("{}")
                maker.distilled("zoo", 1, 1)
                maker.taught("zoo", 1, 1)
                trainings = [command for command in maker.commands if "train" in command]
                self.assertEqual(len(trainings), 2)
                for command in trainings:
                    options = [word for word in command if word.startswith("--")]
                    self.assertEqual(sorted(set(options)), sorted(options), command)


class TimesTest(unittest.TestCase):
    def test_what_teaching_took_is_kept_before_its_networks(self):
        with tempfile.TemporaryDirectory() as folder:
            maker = Told(Path(folder), RIGS["i-mlp"])
            maker.times(1, 1).write_text("{}")
            left = Path(folder) / "z1-g1-taught.pdiff.behaviour.checkpoint"
            left.write_text("")
            maker.taught("zoo", 1, 1)
            self.assertEqual(json.loads(maker.times(1, 1).read_text()), {"teaching": 0.0, "teaching_bytes": 0})
            self.assertFalse(left.exists())


class FolderTest(unittest.TestCase):
    def test_a_rig_and_its_control_share_a_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            made = [Told(Path(folder), rig) for rig in (RIGS["i-cnn"], CONTROLS["i-cnn-control"], RIGS["i-mlp"])]
            for maker in made:
                maker.pdiff = maker.zoo = Path(__file__)
                maker.rig = replace(maker.rig, data="")
                maker.probe.mkdir(exist_ok=True)
            made[0].prepare()
            made[1].prepare()
            with self.assertRaisesRegex(SystemExit, "another network, recipe"):
                made[2].prepare()


if __name__ == "__main__":
    unittest.main()
