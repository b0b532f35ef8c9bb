#!/usr/bin/env bash
# Writes constraints.txt from a fresh environment: the exact versions that `make test` and `make demo` install.
set -euo pipefail
cd "$(dirname "$0")/.."

environment="$(mktemp -d)"
trap 'rm -rf "$environment"' EXIT
"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet '.[all,dev]'

{
  echo "# Exact versions that the tests run with: made by 'make constraints', not by hand."
  echo "# A Torch wheel's local part (+cpu) is left out, so that the same line fits the CPU and the CUDA build."
  "$environment/bin/python" -m pip freeze --exclude picasso --exclude setuptools --exclude wheel --exclude pip |
    sed -E 's/\+[a-z0-9.]+$//'
} > constraints.txt
