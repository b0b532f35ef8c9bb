#!/usr/bin/env bash
# Fetches axe-core, the accessibility checks that the browser tests run, at the version of package-lock.json.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v npm > /dev/null; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "The browser tests need npm to fetch axe-core. Install Node.js (Debian: sudo apt-get install npm)." >&2
    exit 1
  fi
  echo "Installing npm ..."
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq < /dev/null
  apt-get install -qq --yes --no-install-recommends nodejs < /dev/null > /dev/null
  # Debian packs npm apart; other sources of Node.js bring it along, and conflict with Debian's.
  command -v npm > /dev/null || apt-get install -qq --yes --no-install-recommends npm < /dev/null > /dev/null
fi

npm ci --ignore-scripts --silent < /dev/null
