"""What every test may use, and the watch over skips."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long one example takes says nothing on a busy machine; tests that care measure it themselves.
hypothesis.settings.register_profile("picasso", deadline=None)
hypothesis.settings.load_profile("picasso")

ROOT = Path(__file__).resolve().parent.parent

# Read by the frameworks when they are imported, so set before any test is.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# XLA compiles in half the time without them: what is compared is the numbers, not the speed.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture(scope="session", autouse=True)
def picasso_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder of the tests' own: no test reads or writes the user's."""
    home = tmp_path_factory.mktemp("picasso-home")
    base = tmp_path_factory.getbasetemp()
    # What one process of the run has drawn the others need not draw again.
    drawn = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "drawn-datasets"
    drawn.mkdir(exist_ok=True)
    (home / "datasets").symlink_to(drawn, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PICASSO_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and pictures made by others: $PICASSO_TEST_DATA, or shared/data beside the checkout."""
    named = os.environ.get("PICASSO_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("test data folder absent")
    return folder


class SkipWatch:
    """Fails a run under CI=true in which a test was skipped for a reason that is not listed.

    It lives in the process that reports: the only one, or the controller of the parallel workers.
    """

    def __init__(self, listed: list[str]) -> None:
        self.listed = listed
        self.unlisted: dict[str, list[str]] = {}

    def look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        where = report.longrepr
        reason = where[2] if isinstance(where, tuple) else str(where)
        reason = reason.removeprefix("Skipped: ")
        if not any(reason.startswith(e[:-1]) if e.endswith("*") else reason == e for e in self.listed):
            self.unlisted.setdefault(reason, []).append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.look(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.unlisted:
            return
        terminalreporter.section("skips not listed in tests/allowed_skips.txt", red=True)
        for reason, tests in self.unlisted.items():
            terminalreporter.line(reason)
            for test in tests:
                terminalreporter.line(f"    {test}")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI", "").lower() != "true" or hasattr(config, "workerinput"):
        return
    lines = (line.strip() for line in (ROOT / "tests/allowed_skips.txt").read_text(encoding="utf-8").splitlines())
    watch = SkipWatch([line for line in lines if line and not line.startswith("#")])
    config.pluginmanager.register(watch, "picasso-skip-watch")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what the imports have made, which it would walk through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
