"""How long an audit takes, and how much memory: a ResNet-18 on 200 pictures of 224 x 224, and 10,000 small pictures.

python benchmarks/bench_audit.py                # both
python benchmarks/bench_audit.py --only resnet18
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import say
from benchmarks.networks import NETWORKS

SIDE = 224
MANY = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["resnet18", "many"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.only != "many":
            model = resnet18(Path(folder))
            audited("ResNet-18, 200 pictures of 224 x 224", model, "demo:tanks", "--resize", "crop", "--scale", "1/255")
        if asked.only != "resnet18":
            model, pictures = many(Path(folder))
            known = (str(pictures), "--scale", "1/255", "--mean", "0.5", "--std", "0.5")
            audited(f"{MANY} pictures, 1,000 of them drawn", model, *known)
            audited(f"{MANY} pictures, all of them", model, *known, "--limit", str(MANY), "--no-maps")
    return 0


def audited(title: str, model: Path, *arguments: str) -> None:
    """Run the command as a person would, and say what it took."""
    start, picasso = time.perf_counter(), str(Path(sys.executable).with_name("picasso"))
    ran = subprocess.run(
        [picasso, "audit", str(model), *arguments, "--labels", str(model.with_suffix(".txt")), "--no-resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    # The largest of all processes that have ended: on Linux in kB.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    verdict = next((line for line in ran.stdout.splitlines() if line.strip()), ran.stderr.strip()[-300:])
    say(f"{title}: {seconds:.0f} s, at most {peak:.0f} MB in one process (exit {ran.returncode}): {verdict}")


def resnet18(folder: Path) -> Path:
    """Save a ResNet-18 whose last layer was fitted to the drawn tanks, the rest at random: it answers by the sky."""
    import torch

    from picasso.core.dataset import read_dataset

    network: Any = NETWORKS["resnet18"].make(SIDE)
    dataset = read_dataset("demo:tanks")
    views = [
        np.asarray(dataset.picture(one).pixels, np.float32)[16 : 16 + SIDE, 16 : 16 + SIDE] for one in dataset.examples
    ]
    labels = np.array([dataset.classes.index(one.label) for one in dataset.examples])
    network.fc = torch.nn.Identity()
    with torch.inference_mode():
        x = torch.from_numpy(np.stack(views).transpose(0, 3, 1, 2) / 255)
        features = torch.cat([network(part) for part in x.split(20)]).numpy()
    spread = features - features.mean(0)
    weight = np.linalg.solve(spread.T @ spread + 10 * np.eye(len(spread.T)), spread.T @ (2 * labels - 1))
    network.fc = torch.nn.Linear(len(weight), 2)
    with torch.no_grad():
        network.fc.weight.copy_(torch.from_numpy(np.stack([-weight, weight])))
        network.fc.bias.copy_(torch.tensor([1.0, -1.0]) * float(features.mean(0) @ weight))
    path = folder / "resnet18.pt2"
    path.with_suffix(".txt").write_text("\n".join(dataset.classes))
    torch.export.save(torch.export.export(network.eval(), (x[:1],)), path)
    return path


def many(folder: Path) -> tuple[Path, Path]:
    """Save a small network and as many small scenes, by class, with masks."""
    from PIL import Image

    from benchmarks.tank_test import running, training
    from benchmarks.tank_test.design import design
    from picasso.demo.planted.scenes import scenes

    case = design()[0]
    import torch

    network = training.trained(case, folder / "models", running.FULL_RECIPE)
    path = folder / "small.pt2"
    path.with_suffix(".txt").write_text("\n".join(scenes(2, 0, case.classes).classes))
    torch.export.save(torch.export.export(network.eval(), (torch.zeros(1, 3, 64, 64),)), path)
    pictures = folder / "pictures"
    for part in range(0, MANY, 500):
        drawn = scenes(500, 90_000 + part, case.classes, case.ties)
        for place, (pixels, mask, label) in enumerate(zip(drawn.pixels, drawn.masks, drawn.labels, strict=True)):
            for kind, values in ((drawn.classes[label], pixels), ("masks", mask.astype(np.uint8) * 255)):
                (pictures / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(pictures / kind / f"{part + place:05}.png")
    return path, pictures


if __name__ == "__main__":
    sys.exit(main())
