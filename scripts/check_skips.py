"""Check that every skip written in the tests has a reason listed in tests/allowed_skips.txt, and the other way round.

The run itself watches too (tests/conftest.py); this finds a skip on a machine where it does not happen.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
LIST = TESTS / "allowed_skips.txt"
# Where the reason stands when it is not given by keyword.
POSITION = {"skip": 0, "skipif": None, "importorskip": None, "skipTest": 0}


def listed_reasons() -> list[str]:
    lines = (line.strip() for line in LIST.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def fits(reason: str, listed: str) -> bool:
    return reason.startswith(listed[:-1]) if listed.endswith("*") else reason == listed


def skip_name(node: ast.expr) -> str | None:
    """The kind of skip that an expression names: pytest.skip, pytest.mark.skipif, self.skipTest ..."""
    if isinstance(node, ast.Attribute) and node.attr in POSITION:
        owner = ast.unparse(node.value)
        return node.attr if owner in {"pytest", "pytest.mark", "mark", "self"} else None
    if isinstance(node, ast.Name) and node.id in {"importorskip", "skipif"}:
        return node.id
    return None


def literal(node: ast.expr | None) -> str | None:
    """The text of a string, or the beginning of an f-string up to its first value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    return None


def skips(tree: ast.Module) -> Iterator[tuple[int, str, str | None]]:
    """Every skip: its line, its kind, its reason (None where there is none to read)."""
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (kind := skip_name(node.func)):
            called.add(id(node.func))
            given = {word.arg: word.value for word in node.keywords}
            reason = given.get("reason") or given.get("msg")
            place = POSITION[kind]
            if reason is None and place is not None and len(node.args) > place:
                reason = node.args[place]
            yield node.lineno, kind, literal(reason)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in called and ast.unparse(node) == "pytest.mark.skip":
            yield node.lineno, "skip", None


def main() -> int:
    listed = listed_reasons()
    used: set[str] = set()
    faults: list[str] = []
    for path in sorted(TESTS.rglob("*.py")):
        for line, kind, reason in skips(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(ROOT)}:{line}"
            matching = [entry for entry in listed if reason is not None and fits(reason, entry)]
            used.update(matching)
            if reason is None:
                faults.append(f"{place}: {kind} must give its reason as a plain string.")
            elif not matching:
                faults.append(f"{place}: the reason {reason!r} is not listed in tests/allowed_skips.txt.")
    faults += [f"tests/allowed_skips.txt: no test gives the reason {entry!r}." for entry in listed if entry not in used]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
