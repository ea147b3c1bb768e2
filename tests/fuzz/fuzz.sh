#!/bin/sh
# Builds libFuzzer's targets, or runs some: the seeds of corpus/, then inputs of libFuzzer's own for so many seconds. What is
# new it keeps beside the build for the next run; an input that fails is named, and again alone fails again.
# Usage: fuzz.sh BUILD_DIR build CLANG | fuzz.sh BUILD_DIR run SECONDS [TARGET…]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1 word=$2 argument=$3
shift 3

if [ "$word" = build ]; then
  cmake -S "$here" -B "$build" -G Ninja -DCMAKE_C_COMPILER="$argument"
  exec cmake --build "$build" --target fuzzers
fi

[ $# != 0 ] || set -- npy options tuning json calls
LSAN_OPTIONS=suppressions=$here/../lsan.supp:print_suppressions=0
# The compiler in a driver installs handlers of its own, which would hide a fault from who keeps the input.
ASAN_OPTIONS=handle_abort=2:handle_segv=2:handle_sigbus=2:handle_sigill=2:handle_sigfpe=2
POCL_CACHE_DIR=${POCL_CACHE_DIR-$build/pocl-cache}
export LSAN_OPTIONS ASAN_OPTIONS POCL_CACHE_DIR
mkdir -p "$POCL_CACHE_DIR"
failed=0
for target; do
  mkdir -p "$build/found/$target" "$build/failed"
  log=$build/$target.log
  # an input is slow when it has hung; calls may compile, which takes a while. A look for leaks after an input takes longer than
  # a hundred calls: it is done at the end, once
  if "$build/fuzz_$target" -max_total_time="$argument" -max_len=700 -timeout=100 -detect_leaks=0 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="$build/failed/$target-" "$build/found/$target" "$here/corpus/$target" \
    >"$log" 2>&1; then
    awk -v target="$target" '
      /^stat::number_of_executed_units:/ { n = $2 }
      /^spoilt calls:/ { more = "; " $0 }
      / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
      END { printf "%s: %d executions, %d edges%s\n", target, n, edges, more; exit n == 0 }' "$log" || failed=1
  else
    failed=1
    tail -n 60 "$log"
    echo "FAILED $target; again: $build/fuzz_$target FILE, with the file named above"
  fi
done
exit "$failed"
