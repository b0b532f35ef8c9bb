"""The formats in which labels are written: lines, CSV, JSON, Python, YAML and TensorFlow's label maps."""

from __future__ import annotations

import ast
import csv
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

_INDEX_FIRST = re.compile(r"[\"']?(\d{1,6})[\"']?\s*(?:[:,;=\t]|\s-\s|\s)\s*(\S.*)$")
_INDEX_LAST = re.compile(r"(.*\S)\s*(?:[:,;=\t]|\s)\s*(\d{1,6})$")
_INDEX_COLUMNS = ("index", "id", "idx", "class_id", "classid", "class_index", "label_id", "number", "no")
_LABEL_COLUMNS = (
    *("label", "labels", "name", "names", "class_name", "classname", "signname", "label_name", "display_name"),
    *("category", "categories", "class", "classes", "description"),
)
"""Headings of a column of labels, the surest first."""
_IDENTIFIERS = ("wnid", "synset", "wordnet", "wordnet_id", "wordnetid", "mid")
_HOLDERS = (
    "id2label",
    "labels",
    "names",
    "class_names",
    "classes",
    "categories",
    "label_map",
    "label2id",
    "class_to_idx",
)
"""Keys under which configurations hold labels, the surest first."""
_ITEM_NAMES = ("display_name", "name", "label", "class", "class_name", "title")
_ITEM_INDICES = ("id", "index", "class_id")
_COMMENT = re.compile(r"(^|\s)#.*$")
_LABEL_MAP = re.compile(r"\bitem\s*:?\s*\{([^{}]*)\}")


def parse(text: str, suffix: str) -> tuple[str, ...]:
    """Return the labels in a text.

    Args:
        text: The file's text.
        suffix: How the file's name ends, in small letters: ".csv".

    Raises:
        ValueError, TypeError, RecursionError, csv.Error: It is not what it looks like.
    """
    # The first label of a text may be "[background]".
    ends = text.strip()[:1] + text.strip()[-1:]
    if suffix == ".json":
        return from_value(json.loads(text))
    if ends in ("[]", "{}"):
        return from_value(_json_or_python(text))
    if suffix in (".yaml", ".yml"):
        return _from_yaml(text)
    if suffix == ".pbtxt" or _LABEL_MAP.match(text.lstrip()):
        return _from_label_map(_LABEL_MAP.findall(text))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if suffix in (".csv", ".tsv"):
        return _from_csv(lines, suffix)
    return _from_lines(lines)


def from_value(value: object) -> tuple[str, ...]:
    """Return the labels in a list or in a mapping by index, by label, or of a configuration that holds either.

    Raises:
        ValueError, TypeError: It is none of them.
    """
    if isinstance(value, list | tuple):
        items = [item for item in value if isinstance(item, dict)]
        if items and len(items) == len(value) and all(_index(item) is not None for item in items):
            return _in_order({int(_index(item) or 0): item for item in items}, len(items), first=None)
        return tuple(_label(item) for item in value)
    if not isinstance(value, dict):
        raise TypeError(f"got {type(value).__name__}")
    for holder in _HOLDERS:
        if isinstance(value.get(holder), list | dict):
            return from_value(value[holder])
    keys = {str(key): item for key, item in value.items()}
    if all(key.isdigit() for key in keys):
        by_index = {int(key): item for key, item in keys.items()}
    else:
        by_index = {int(index): label for label, index in keys.items()}
    return _in_order(by_index, len(value))


def _in_order(by_index: Mapping[int, object], count: int, first: int | None = 0) -> tuple[str, ...]:
    start = min(by_index, default=0) if first is None else first
    if sorted(by_index) != list(range(start, start + count)):
        raise ValueError("the indices must run from 0 without a gap, each of them once")
    return tuple(_label(item) for _, item in sorted(by_index.items()))


def _label(item: object) -> str:
    """Return a label that may come with identifiers: ["n02389026", "sorrel"], {"id": 3, "name": "sorrel"}."""
    if isinstance(item, dict):
        name = next((item[key] for key in _ITEM_NAMES if key in item), None)
        if name is None:
            raise ValueError(f"an entry has no name: {str(item)[:60]}")
        return str(name)
    return str(item[-1] if isinstance(item, list | tuple) and item else item)


def _index(item: Mapping[str, Any]) -> int | None:
    found = next((item[key] for key in _ITEM_INDICES if key in item), None)
    return found if isinstance(found, int) else None


def _json_or_python(text: str) -> object:
    """Read JSON, or what Python prints of a list or dictionary: {0: 'tench'}."""
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of backslashes in a label
                return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, TypeError):
            raise error from None


# --- lines ---------------------------------------------------------------------------------------------------------


def _from_lines(lines: list[str]) -> tuple[str, ...]:
    plain = [line for line in lines if not line.startswith("#")]
    lines = _unquoted(plain or lines)
    if not lines:
        return ()
    for pattern, index, label in ((_INDEX_FIRST, 1, 2), (_INDEX_LAST, 2, 1)):
        found = [pattern.match(line) for line in lines]
        if not all(found):
            continue
        pairs = [(int(match[index]), match[label].strip()) for match in found if match]
        if _are_indices([number for number, _ in pairs], len(lines)) and _are_names(pairs, index == 1):
            return tuple(_unquoted([name for _, name in sorted(pairs)]))
    return tuple(lines)


def _are_indices(numbers: Sequence[int], count: int) -> bool:
    """Say whether numbers are indices: from 0, or from 1 where there are several, each once."""
    return sorted(numbers) == list(range(count)) or (count > 1 and sorted(numbers) == list(range(1, count + 1)))


def _are_names(pairs: Sequence[tuple[int, str]], index_first: bool) -> bool:
    """Say whether what is left without a number is a name: not so of "class 0", "class 1" or "1 euro", "2 euro"."""
    sure = index_first and min(number for number, _ in pairs) == 0
    return sure or len({name for _, name in pairs}) == len(pairs)


def _unquoted(lines: list[str]) -> list[str]:
    """Take quotes off, and the commas of a list, where every line has them."""
    for quote in ('"', "'"):
        bare = [line.rstrip(",").rstrip() for line in lines]
        if all(len(line) > 1 and line[0] == line[-1] == quote and quote not in line[1:-1] for line in bare):
            return [line[1:-1] for line in bare]
    return lines


def _from_csv(lines: list[str], suffix: str) -> tuple[str, ...]:
    first = lines[0] if lines else ""
    delimiter = "\t" if suffix == ".tsv" else ";" if ";" in first and "," not in first else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if row]
    if not rows:
        return ()
    head = [cell.casefold().replace(" ", "_") for cell in rows[0]]
    known = [cell in (*_LABEL_COLUMNS, *_INDEX_COLUMNS, *_IDENTIFIERS) for cell in head]
    numbered = len(rows) > 1 and len(head) > 1 and all(_is_number(row[0]) for row in rows[1:])
    is_head = any(known) if len(head) > 1 else all(known) and len(rows) > 1
    if not is_head:
        if numbered and not _is_number(rows[0][0]):
            rows = rows[1:]
        return _by_index(rows, 0, -1)
    rows = rows[1:]
    column = next(
        (head.index(name) for name in _LABEL_COLUMNS if name in head and _holds_words(rows, head.index(name))), None
    )
    column = len(head) - 1 if column is None else column
    index = next((head.index(name) for name in _INDEX_COLUMNS if name in head and head.index(name) != column), 0)
    return _by_index(rows, index, column)


def _by_index(rows: list[list[str]], index: int, column: int) -> tuple[str, ...]:
    """Return a column of rows, by the indices of another where that holds such."""
    labels = [row[column] if column < len(row) else row[-1] for row in rows]
    numbers = [row[index] for row in rows if len(row) > 1 and index < len(row) and _is_number(row[index])]
    if len(numbers) == len(rows) and _are_indices([int(n) for n in numbers], len(rows)):
        return tuple(label for _, label in sorted(zip([int(n) for n in numbers], labels, strict=True)))
    return tuple(labels)


def _holds_words(rows: list[list[str]], column: int) -> bool:
    return any(column < len(row) and not _is_number(row[column]) for row in rows)


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.lstrip("-").isdigit()


# --- YAML and label maps --------------------------------------------------------------------------------------------


def _from_yaml(text: str) -> tuple[str, ...]:
    """Read labels from YAML: the list or mapping under "names" or the like, or the whole file, and no other YAML."""
    lines = [line.rstrip() for line in text.splitlines()]
    lines = [_COMMENT.sub("", line).rstrip() if not _quoted_comment(line) else line for line in lines]
    lines = [line for line in lines if line.strip() and line.strip() not in ("---", "...")]
    for holder in _HOLDERS:
        for at, line in enumerate(lines):
            match = re.match(rf"[\"']?{holder}[\"']?\s*:\s*(.*)$", line)
            if match is None:
                continue
            if match[1][:1] in ("[", "{"):
                return _from_flow(" ".join([match[1], *lines[at + 1 :]]))
            block = []
            for inner in lines[at + 1 :]:
                if not inner.startswith((" ", "\t", "-")):
                    break
                block.append(inner.strip())
            return _from_block(block)
    return _from_block([line.strip() for line in lines])


def _from_block(lines: list[str]) -> tuple[str, ...]:
    if lines and all(line.startswith("-") for line in lines):
        return tuple(_scalar(line[1:]) for line in lines)
    pairs = [line.partition(":") for line in lines]
    if not lines or not all(colon for _, colon, _ in pairs):
        raise ValueError("there is no list or mapping of names")
    found = {_scalar(key): _scalar(value) for key, _, value in pairs}
    if not (all(map(_is_number, found)) or all(map(_is_number, found.values()))):
        raise ValueError("there is no list or mapping of names")
    return from_value(found)


def _from_flow(text: str) -> tuple[str, ...]:
    """Read [a, 'b', "c"] or {0: a, 1: b}, up to where it ends."""
    closing = "]" if text[0] == "[" else "}"
    parts, quote = [""], ""
    for character in text[1:]:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and not parts[-1].strip().replace(":", "").strip().isalpha():
            quote = character
        elif character == closing:
            break
        elif character == ",":
            parts.append("")
            continue
        parts[-1] += character
    else:
        raise ValueError(f"the list of names has no {closing}")
    items = [part.strip() for part in parts if part.strip()]
    return tuple(map(_scalar, items)) if closing == "]" else _from_block(items)


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        inner = text[1:-1]
        return inner.replace("''", "'") if text[0] == "'" else inner.replace('\\"', '"')
    return text


def _quoted_comment(line: str) -> bool:
    """Say whether the # of a line stands between quotes."""
    before = line.partition("#")[0]
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1


def _from_label_map(items: list[str]) -> tuple[str, ...]:
    """Read a TensorFlow label map; its classes count from 1, and 0 is the background."""
    names: dict[int, str] = {}
    for item in items:
        number = re.search(r"\bid\s*:\s*(\d{1,6})\b", item)
        quoted = {key: re.search(rf"\b{key}\s*:\s*(\"[^\"]*\"|'[^']*')", item) for key in ("display_name", "name")}
        name = quoted["display_name"] or quoted["name"]
        if number is None or name is None:
            raise ValueError(f"an item has no id or no name: {item.strip()[:60]}")
        names[int(number[1])] = name[1][1:-1]
    if not names or len(names) != len(items):
        raise ValueError("each id must come once")
    if 0 not in names:
        names[0] = "background"
    # Numbers may be left out, as in COCO's.
    return tuple(names.get(index, f"class {index}") for index in range(max(names) + 1))
