#!/usr/bin/env bash
# Lints the API document; a hint is a failure, too.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
npm_tools
spectral lint "$document" --ruleset "$here/rules.yaml" --fail-severity hint
