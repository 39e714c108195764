#!/usr/bin/env bash
# Runs one target for so many seconds under Jazzer.js, from the same corpus: fuzz/jazzer.sh unpack 600
# Its binary wants GLIBC 2.38 or later. It is no dependency of this project: it is installed here, and not saved.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 seconds=$2

npm install --no-save --no-audit --no-fund @jazzer.js/core@4.0.0
# Jazzer.js takes no TypeScript.
npx tsc -p fuzz/tsconfig.json
mkdir -p "fuzz/dist/new/$target" "fuzz/findings/$target"

# What reaches something new goes into the first folder; an input that breaks a law, hangs or takes too much memory into findings.
npx jazzer "fuzz/dist/fuzz/targets/$target.js" --timeout=5000 \
  "fuzz/dist/new/$target" "fuzz/corpus/$target" fuzz/regressions -- \
  "-max_total_time=$seconds" -max_len=8300 -rss_limit_mb=2048 "-artifact_prefix=fuzz/findings/$target/"
