"""What `import picasso` costs: no framework, little time, little memory.

Each measure is taken in a fresh process. The interpreter's own cost is shown beside it, so that the difference is
Picasso's. Exits with 1 when a framework was loaded.

    python benchmarks/bench_import.py --runs 7
"""

import argparse
import json
import statistics
import subprocess
import sys

FRAMEWORKS = ("torch", "tensorflow", "keras", "jax")
CPU_LIMIT = 0.15  # seconds of processor time, interpreter included
MEMORY_LIMIT = 45.0  # MB resident at the peak, interpreter included
PROBE = """
import json, sys, time
{statement}
cpu = time.process_time()
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
except ImportError:  # Windows
    peak = None
# On Linux the peak is inherited from the process that started this one: prefer the kernel's own count of this one.
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
except OSError:
    pass
print(json.dumps({{"cpu": cpu, "memory": peak, "frameworks": [f for f in {frameworks} if f in sys.modules],
    "modules": len(sys.modules)}}))
"""


def measure(statement: str, runs: int) -> list[dict]:
    command = [sys.executable, "-c", PROBE.format(statement=statement, frameworks=FRAMEWORKS)]
    subprocess.run(command, check=True, capture_output=True)  # Warms the file cache and writes the byte code.
    return [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs)]


def row(name: str, measures: list[dict], key: str, limit: float | None = None) -> str:
    values = [one[key] for one in measures if one[key] is not None]
    if not values:
        return f"{name:<34} not measured on this platform"
    numbers = " ".join(f"{f(values):>9.3f}" for f in (min, statistics.median, max))
    if limit is None:
        return f"{name:<34} {numbers}"
    return f"{name:<34} {numbers} {limit:>9.2f}  {'within' if statistics.median(values) <= limit else 'OVER'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="fresh processes for each line")
    runs = parser.parse_args().runs
    bare = measure("", runs)
    imported = measure("import picasso", runs)
    loaded = sorted({name for one in imported for name in one["frameworks"]})
    lines = [
        f"{'':<34} {'min':>9} {'median':>9} {'max':>9} {'limit':>9}",
        row("bare interpreter, CPU s", bare, "cpu"),
        row("import picasso, CPU s", imported, "cpu", CPU_LIMIT),
        row("bare interpreter, peak MB", bare, "memory"),
        row("import picasso, peak MB", imported, "memory", MEMORY_LIMIT),
        row("bare interpreter, modules", bare, "modules"),
        row("import picasso, modules", imported, "modules"),
        f"frameworks loaded: {', '.join(loaded) or 'none'}",
    ]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if loaded else 0


if __name__ == "__main__":
    sys.exit(main())
