"""Tests the robot's programs, with MuJoCo, at reduced size. Usage: test.py FOLDER_OF_THE_PROGRAMS"""

import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ["--families", "2", "--speeds", "3", "--root", "2", "--round", "2"]


def run(program, *arguments, text=""):
    command = [PROGRAMS / program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Robot(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def good(self, program, *arguments, **more):
        result = run(program, *arguments, **more)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def refused(self, program, *arguments):
        result = run(program, *arguments)
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.startswith(program + ": "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        return result.stderr

    def zoo(self, name, *arguments):
        collection = self.folder / name
        self.good("zoo-robot", *SMALL, "--collection", collection, "--work", self.folder / f"{name}.work", *arguments)
        return collection

    def test_a_zoo_is_the_same_for_any_threads_and_after_a_kill(self):
        one = self.zoo("one", "--threads", 1)
        two = self.zoo("two", "--threads", 2)
        self.assertEqual(files(one), files(two))
        self.assertNotEqual(files(one), files(self.zoo("other", "--seed", 2)))
        # A killed run leaves some stages.
        (self.folder / "two.work/1/0").unlink()
        (self.folder / "two.work/0/2").unlink()
        two.rename(self.folder / "before")
        self.assertEqual(files(self.zoo("two")), files(one))

    def test_a_damaged_stage_is_refused(self):
        self.zoo("zoo")
        stage = self.folder / "zoo.work/0/1"
        stage.write_bytes(stage.read_bytes()[:-1])
        arguments = ["--collection", self.folder / "again", "--work", self.folder / "zoo.work"]
        self.assertIn("is no stage of a training", self.refused("zoo-robot", *SMALL, *arguments))
        self.assertFalse((self.folder / "again").exists())

    def test_the_robot_keeps_the_speeds_that_it_is_told(self):
        rows = self.good("robot", 1, 3.3, 2).splitlines()[1:]
        self.assertEqual(len(rows), 3)
        for row in rows:
            target, realised, _ = map(float, row.split())
            self.assertLess(abs(realised - target), 0.5, row)

    def test_an_operator_changes_the_speed(self):
        said = self.good("robot", text="2\nfast\n3.5\n")
        self.assertIn("policy for 2.00 m/s", said)
        self.assertIn("'fast' is no speed", said)
        self.assertIn("policy for 3.50 m/s", said)

    def test_unseen_speeds_are_followed(self):
        output = self.folder / "robot.json"
        self.good("robot-bench", "--speeds", 4, "--samples", 2, "--output", output)
        results = json.loads(output.read_text())
        samples = next(each for each in results["sets"] if each["name"] == "samples")
        self.assertEqual(len(samples["points"]), 8)
        self.assertGreater(samples["spearman"], 0.9)
        self.assertLess(samples["error"], 0.5)
        picture = self.folder / "picture.svg"
        subprocess.run([sys.executable, ROOT / "examples/robot/picture.py", output, picture], check=True)
        self.assertEqual(picture.read_text().count("<circle"), 8 + 3 * 4 * results["families"])

    def test_a_policy_in_a_file_is_scored(self):
        # A policy without torque stands still: its return is 0, but for the fall to its feet.
        shapes = {"0": [64, 17], "2": [64, 64], "4": [6, 64]}
        header, offset = {}, 0
        parts = [(f"{layer}.weight", shape) for layer, shape in shapes.items()]
        parts += [(f"{layer}.bias", shape[:1]) for layer, shape in shapes.items()]
        for name, shape in parts:
            size = 4 * math.prod(shape)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header, separators=(",", ":")).encode()
        still = self.folder / "still.safetensors"
        still.write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))
        score = json.loads(self.good("robot-score", still, 2))
        self.assertAlmostEqual(score["speed"], 0.0, delta=0.05)
        self.assertAlmostEqual(score["return"], 0.0, delta=0.05)
        still.write_bytes(still.read_bytes()[:-4])
        self.assertIn("does not hold all of 4.bias", self.refused("robot-score", still, 2))

    def test_what_is_wrong_is_named(self):
        self.assertIn("no option --fast", self.refused("robot", "--fast"))
        self.assertIn("needs a value", self.refused("robot", "--seed"))
        self.assertIn("--seed x is no whole number", self.refused("robot", "--seed", "x", 1))
        self.assertIn("'-1' is no speed", self.refused("robot", 1, "-1"))
        self.assertIn("none.pdiff", self.refused("robot", "--generator", "none.pdiff", 1))
        self.assertIn("examples/robot/fetch gets it", self.refused("robot", "--model", "none.xml", 1))
        self.assertIn("is not the half cheetah", self.refused("robot", "--model", self.box(), 1))
        self.assertIn("exists: remove it", self.refused("zoo-robot", "--collection", self.folder))
        self.assertIn("robot-score FILE SPEED", self.refused("robot-score"))
        self.assertIn("cannot be read", self.refused("robot-score", "none.safetensors", 1))
        self.assertIn("holds no policies", self.refused("robot-bench", "--collection", self.folder))

    def box(self):
        path = self.folder / "box.xml"
        path.write_text("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
        return path


unittest.main()
