"""What an index of a folder costs against a plain loop over its pictures, and what it saves whoever asks again.

One process, by turns, processor time of all threads. The loop is the one that people write: Pillow decodes, the same
batch goes through the network, the scores are kept.

    python benchmarks/bench_folders.py --write
    python benchmarks/bench_folders.py --pictures 10000
"""

import argparse
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Libraries read these when they are imported.
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")})
os.environ["OMP_WAIT_POLICY"] = "passive"  # a thread that waits for another takes no processor time
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from benchmarks.measuring import opened, say, timed
from benchmarks.networks import NETWORKS, ROOT, Array, Network
from benchmarks.occlusion_page import machine_and_versions

PAGE = ROOT / "docs" / "performance.md"
MARK = "<!-- Written by benchmarks/bench_folders.py: run `make bench` instead of editing it. -->"
NEXT = "<!-- Written by benchmarks/bench_attributions.py"
GOAL = 0.7
"""Of the plain loop's rate."""
PART = 100
"""Pictures after which the other one's turn is."""


@dataclass
class Report:
    """What was measured.

    Attributes:
        pictures: How many there are.
        layer: Of which the index keeps every channel.
        seconds: By number of threads: pictures, CPU seconds of the index, and of the loop.
        growth: Megabytes by which the most memory grew from the first parts to the last.
        again: By what is asked: CPU seconds of the answer from the index, and of a loop that runs all pictures.
    """

    pictures: int
    layer: str
    seconds: dict[int, tuple[int, float, float]] = field(default_factory=dict)
    growth: float = 0.0
    again: dict[str, tuple[float, float]] = field(default_factory=dict)

    def rate(self, threads: int) -> float:
        """Return the index's rate as a share of the loop's."""
        _, ours, theirs = self.seconds[threads]
        return theirs / ours


def draw(folder: Path, count: int, side: int) -> list[Path]:
    """Write JPEG pictures, gradients under coarse noise, in folders of `PART`; return these."""
    random, ramp = np.random.default_rng(0), np.linspace(0, 128, side)
    for number in range(count):
        slopes = random.random((2, 3))
        smooth = ramp[:, None, None] * slopes[0] + ramp[None, :, None] * slopes[1]
        coarse = random.integers(0, 60, (-(-side // 4), -(-side // 4), 3)).repeat(4, 0).repeat(4, 1)[:side, :side]
        place = folder / f"{number // PART:04}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((smooth + coarse).clip(0, 255).astype(np.uint8)).save(place / f"{number:06}.jpg", quality=90)
    return sorted(folder.iterdir())


def plain(network: Any, files: Sequence[Path], size: int, layer: str = "") -> Array:
    """Return the scores of pictures, or a layer's values, (n, ...), by a loop as people write it."""
    import torch

    kept: dict[str, Any] = {}
    hook = network.get_submodule(layer).register_forward_hook(lambda module, given, out: kept.update(out=out.clone()))
    found = []
    with torch.inference_mode():
        for start in range(0, len(files), size):
            read = [np.asarray(Image.open(one).convert("RGB"), np.float32) for one in files[start : start + size]]
            scores = network(torch.from_numpy(np.stack(read) / 255).permute(0, 3, 1, 2).contiguous())
            found.append((kept["out"] if layer else scores).numpy())
    hook.remove()
    return np.concatenate(found)


def measure(network: Network, pictures: int, threads: Sequence[int] = (1, 2)) -> Report:
    """Measure a network: index and loop by turns, part by part, and the parts by turns with each number of threads."""
    import torch

    from picasso.core.index import Reading, index_pictures

    made = network.make(network.side).eval()
    model = opened(made, network)
    layer = model.default_layer().name
    reading, size = Reading(layer), model.batch_size
    report = Report(pictures, layer, dict.fromkeys(threads, (0, 0.0, 0.0)))
    with TemporaryDirectory() as place, kept_apart(Path(place) / "home"):
        parts = draw(Path(place) / "album", pictures, network.side)
        (warm,) = draw(Path(place) / "warm", 2 * size, network.side)
        index_pictures(model, warm, (reading,), ignore)
        plain(made, sorted(warm.iterdir()), size)
        first = 0.0
        for turn, part in enumerate(parts):
            one = threads[turn % len(threads)]
            torch.set_num_threads(one)
            files = sorted(part.iterdir())
            ours, index = timed(lambda part=part: index_pictures(model, part, (reading,), ignore))
            theirs, scores = timed(lambda files=files: plain(made, files, size))
            np.testing.assert_allclose(index.scores, scores, atol=1e-3 * np.abs(scores).max())
            count, before, others = report.seconds[one]
            report.seconds[one] = count + len(files), before + ours, others + theirs
            first = first or (peak() if turn >= len(threads) else 0.0)
        report.growth = peak() - first if first else 0.0
        torch.set_num_threads(1)
        _ask_again(report, model, made, parts[0], reading)
    return report


def _ask_again(report: Report, model: Any, made: Any, part: Path, reading: Any) -> None:
    """Measure answers from the index of all pictures, and the loops that find the same, counted up from one part."""
    from picasso.core.index import index_pictures

    files = sorted(part.iterdir())
    share = report.pictures / len(files)
    each, values = timed(lambda: plain(made, files, model.batch_size, reading.layer))
    few, all_of_them = (index_pictures(model, place, (reading,), ignore) for place in (part, part.parent))
    channel = int(values.max(axis=(0, 2, 3)).argmax())

    def strongest(index: Any) -> Array:
        return np.argsort(-index.strongest(reading, "largest", channel), kind="stable")[:16]

    assert strongest(few)[0] == values[:, channel].max(axis=(1, 2)).argmax()
    means = values.mean(axis=(2, 3))
    np.testing.assert_allclose(few.strongest(reading, "mean"), means, atol=1e-3 * np.abs(values).max())
    report.again["the strongest pictures of a channel"] = timed(lambda: strongest(all_of_them))[0], each * share
    codes, _ = timed(lambda: all_of_them.strongest(reading, "mean"))
    report.again["the codes of an embedding"] = codes, each * share


def peak() -> float:
    """Return the most memory that this process ever held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def ignore(done: int, total: int, message: str) -> None:
    """Report nothing."""


@contextmanager
def kept_apart(home: Path) -> Iterator[None]:
    """Keep indexes in a folder of the benchmark's own."""
    known = os.environ.get("PICASSO_HOME")
    os.environ["PICASSO_HOME"] = str(home)
    try:
        yield
    finally:
        del os.environ["PICASSO_HOME"]
        if known is not None:
            os.environ["PICASSO_HOME"] = known


def section(network: Network, report: Report) -> str:
    """Return the section of the page."""
    lines = [
        MARK,
        "",
        "## How fast a folder is indexed",
        "",
        "An index runs a model over every picture of a folder once, and keeps its scores, what is measured of the",
        "picture, a small copy, and for every channel of a layer the strongest place, the weakest and the mean. The",
        "loop that it is compared with decodes the same JPEG files with Pillow, runs the same batches through the",
        f"network, and keeps the scores alone. Both take turns over parts of {PART} pictures of {network.side} x",
        f"{network.side} pixels. The times are processor time of all threads; on the clock an index is faster yet",
        "where a processor is free, since it decodes the next pictures while the network runs.",
        "",
        *(f"- {line}" for line in machine_and_versions()),
        f"- {network.title}, the channels of `{report.layer}`, {report.pictures:,} pictures.",
        "",
        "| Threads of the network | Index, CPU ms a picture | Loop, CPU ms a picture | Rate against the loop |",
        "| --- | --- | --- | --- |",
    ]
    for threads, (count, ours, theirs) in report.seconds.items():
        rate = report.rate(threads)
        said = f"{rate:.0%} (goal {GOAL:.0%})" if rate >= GOAL else f"**{rate:.0%}** (goal {GOAL:.0%}, missed)"
        lines.append(f"| {threads} | {1e3 * ours / count:.1f} | {1e3 * theirs / count:.1f} | {said} |")
    lines += [
        "",
        "No more than three batches are in memory at a time: from the first parts to the last the most memory that the",
        f"process held grew by {report.growth:.0f} MB.",
        "",
        "Whoever asks again gets the answer from the index. A loop has to run all pictures again; it ran a part, and",
        "is counted up.",
        "",
        "| Of all pictures | From the index, CPU s | Loop, CPU s | |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {asked} | {ours:.3f} | {theirs:.1f} | {theirs / ours:,.0f}× |"
        for asked, (ours, theirs) in report.again.items()
    ]
    return "\n".join(lines) + "\n"


def with_section(text: str, made: str) -> str:
    """Return a page with this section before that of the attribution methods, in the place of an earlier one."""
    before, mark, after = text.partition(NEXT)
    return f"{before.partition(MARK)[0].rstrip()}\n\n{made.rstrip()}\n" + (f"\n{mark}{after}" if mark else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=600, help="how many are indexed")
    parser.add_argument("--network", default="mobilenetv2", help=f"one of {', '.join(NETWORKS)}")
    parser.add_argument("--write", action="store_true", help=f"write into {PAGE.name}")
    asked = parser.parse_args()
    network = NETWORKS[asked.network]
    made = section(network, measure(network, asked.pictures))
    say(made)
    if asked.write:
        PAGE.write_text(with_section(PAGE.read_text("utf-8"), made), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
