#!/usr/bin/env bash
# Makes sure that a Chromium is there for the tests and the screenshots. Does nothing when one is.
set -euo pipefail

for name in "${PICASSO_TEST_BROWSER:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" > /dev/null; then exit 0; fi
done

if [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
  echo "Installing Chromium ..."
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq < /dev/null
  apt-get install -qq --yes --no-install-recommends chromium fonts-liberation < /dev/null > /dev/null
  exit 0
fi

cat >&2 << 'MESSAGE'
The browser tests need Chromium, and there is none here.
Install it (Debian: sudo apt-get install chromium), or name one: export PICASSO_TEST_BROWSER=/path/to/chrome
MESSAGE
exit 1
