#!/bin/sh
# First contact with a GPU, on a machine that needs no more than a C compiler, OpenCL headers and a loader (CUDA's serve)
# and no network: builds library, tests and program with cc alone, runs the conformance tests on every OpenCL device,
# then the benchmark.
#
#   bench/gpu.sh [--build-only] [OUT] [BENCH-OPTION…]     OUT: a folder for the results (gpu-results)
#   CC, CFLAGS     the compiler (cc) and what else it is to be given
#   CUDA_HOME      where CL/cl.h and libOpenCL.so are looked for after the compiler's own places (/usr/local/cuda)
#
# OUT gets check.txt (what `clloss check` says), bench.json (a line per case), bench.txt (the same as a table),
# machine.txt, and tests/ with a log for each test. The exit status is 1 if a test or a case of the benchmark failed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC:-cc}
cuda=${CUDA_HOME:-/usr/local/cuda}
build_only=
[ "${1-}" != --build-only ] || { build_only=1 && shift; }
out=${1-gpu-results}
[ $# = 0 ] || shift
case $out in -*) set -- "$out" "$@" && out=gpu-results ;; esac

say() { echo "gpu.sh: $*"; }

die() {
  echo "gpu.sh: $*" >&2
  exit 1
}

rm -rf "$out/build" "$out/tests"
mkdir -p "$out/build" "$out/tests"
out=$(cd "$out" && pwd)
work=$out/build
cd "$root"

# ---- what the compiler needs to be told

# compiles TEXT OPTION…: whether a program of this text compiles and links.
compiles() {
  text=$1
  shift
  printf '%s\n' "$text" >"$work/probe.c"
  # shellcheck disable=SC2086  # options
  "$cc" ${CFLAGS-} "$work/probe.c" -o "$work/probe" "$@" 2>/dev/null
}

opencl='#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
int main(void) { return clGetPlatformIDs(0, 0, 0) == -1; }'
headers='' loader=''
for place in '' "$cuda/include" "$cuda"/targets/*/include; do
  for library in -lOpenCL "$cuda/lib64/libOpenCL.so" "$cuda"/targets/*/lib/libOpenCL.so \
    /usr/lib/*/libOpenCL.so.1 /usr/lib64/libOpenCL.so.1; do
    [ -z "$loader" ] && compiles "$opencl" ${place:+-I "$place"} "$library" || continue
    headers=$place loader=$library
  done
done
[ -n "$loader" ] || die "$cc finds no CL/cl.h or no libOpenCL, neither by itself nor in $cuda (CUDA_HOME)"
openmp='' native=''
! compiles 'int main(void) { return 0; }' -fopenmp || openmp=-fopenmp
! compiles 'int main(void) { return 0; }' -march=native || native=-march=native

# ---- build

say "building with $cc${headers:+ -I $headers} $loader${openmp:+ $openmp}"

embed() { awk -v header="$2" -v symbol="$3" -v type="${5-}" -v count="${6-}" -f bench/embed.awk $4 >"$work/$1"; }
embed sources.c runtime/program.h clloss__sources "$(echo kernels/*/*.cl)" clloss__source clloss__n_sources
for folder in bench tests; do
  mkdir -p "$work/made/$folder"
  sed -n 's/^clloss_embed(OUT \([^ ]*\) HEADER \([^ ]*\) SYMBOL \([^ ]*\) FILES \([^ )]*\).*/\1 \2 \3 \4/p' \
    $folder/CMakeLists.txt >"$work/embeds"
  while read -r file header symbol source; do
    embed "made/$folder/$file" "$header" "$symbol" "$folder/$source"
  done <"$work/embeds"
done

# object_of FOLDER FILE: FOLDER is where it goes, below build/; the name holds the path, as names alone repeat.
object_of() {
  from=${2#"$work/"}
  echo "$work/$1/$(echo "${from%.c}" | tr / _).o"
}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
running=0
# object FOLDER FILE OPTION…: compiled in the background.
object() {
  mkdir -p "$work/$1"
  to=$(object_of "$1" "$2") source=$2
  shift 2
  # shellcheck disable=SC2086  # options
  "$cc" -std=c11 -O2 -DCL_TARGET_OPENCL_VERSION=120 -D_POSIX_C_SOURCE=200809L -DCLLOSS_STATIC ${headers:+-I "$headers"} \
    -Iinclude -Ihost -Icheck -Itests -Ibench ${CFLAGS-} "$@" -c "$source" -o "$to" || echo "$source" >>"$work/broken" &
  running=$((running + 1))
  [ $((running % jobs)) != 0 ] || wait
}
for file in host/*/*.c "$work/sources.c"; do object library "$file"; done
for file in check/*.c; do object check "$file"; done
for file in bench/*.c bench/peers/*.c cli/*.c "$work"/made/bench/*.c; do
  case $file in
    bench/loops.c) object program "$file" -O3 $openmp ;;
    bench/peers/loop.c) object program "$file" -O3 -ffast-math $openmp $native ;;
    *) object program "$file" $openmp ;;
  esac
done

# Tests, a line each; NAME SOURCE… of those that use OpenCL and need neither a layer under the loader nor CMake; and
# their arguments.
sed -n '/^clloss_test(/{:more
/)$/!{N
s/\n */ /
b more
}
/ REF[ )]/d
/ LAYER[ )]/d
p
}' tests/CMakeLists.txt >"$work/registered"
sed 's/^clloss_test(NAME \([a-z0-9_]*\) SOURCES \([a-z0-9_./ ]*\).*/\1 \2/' "$work/registered" >"$work/tests.list"
arguments() {
  sed -n "s/^clloss_test(NAME $1 SOURCES .* ARGS \"*\([^\" )]*\).*/\1/p" "$work/registered" |
    sed 's/\${CMAKE_CURRENT_SOURCE_DIR}/tests/'
}
# source_of FILE: one of the tree, or made above.
source_of() {
  if [ -f "tests/$1" ]; then echo "tests/$1"; else echo "$work/made/tests/$1"; fi
}
for file in $(cut -d ' ' -f 2- "$work/tests.list" | tr ' ' '\n' | sort -u); do object tests "$(source_of "$file")"; done
wait
[ ! -f "$work/broken" ] || die "can't compile: $(tr '\n' ' ' <"$work/broken")"

# link NAME OBJECT…
link() {
  to=$1
  shift
  # shellcheck disable=SC2086  # options
  "$cc" ${CFLAGS-} "$@" "$work"/check/*.o "$work"/library/*.o -o "$work/$to" $loader -lm -lpthread -ldl ||
    die "can't build $to"
}
link clloss "$work"/program/*.o $openmp
while read -r name sources; do
  objects=
  for file in $sources; do objects="$objects $(object_of tests "$(source_of "$file")")"; done
  # shellcheck disable=SC2086  # a list of files
  link "test_$name" $objects
done <"$work/tests.list"
[ -z "$build_only" ] || exit 0

# ---- conformance

limit=
! command -v timeout >/dev/null || limit='timeout 1800'
{
  uname -a
  date -u
  ! command -v nvidia-smi >/dev/null || nvidia-smi
  "$work/clloss" devices
} >"$out/machine.txt" 2>&1 || { cat "$out/machine.txt" >&2 && die "no OpenCL device"; }
cat "$out/machine.txt"

failed=
"$work/clloss" check >"$out/check.txt" 2>&1 || failed=' check'
cat "$out/check.txt"

say "testing, by $(grep -c . "$work/tests.list") programs"
while read -r name sources; do
  status=0
  printf '%-14s ' "$name"
  # shellcheck disable=SC2046  # arguments
  $limit "$work/test_$name" $(arguments "$name") >"$out/tests/$name.log" 2>&1 </dev/null || status=$?
  case $status in
    0) echo "passed   $(grep ' points ran, ' "$out/tests/$name.log" || true)" ;;
    77) echo "skipped" ;;
    *) echo "FAILED   exit status $status: $out/tests/$name.log" && failed="$failed $name" ;;
  esac
done <"$work/tests.list"

# ---- benchmark

"$work/clloss" bench --json "$@" >"$out/bench.json" || failed="$failed benchmark"
awk '
  function value(key) {
    if (!match($0, "\"" key "\": (\"[^\"]*\"|[^,}]*)")) return ""
    found = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4)
    gsub(/"/, "", found)
    return found
  }
  BEGIN { printf "%-34s %9s %8s %-5s %10s %8s %9s %9s  %s\n", "case", "rows", "classes", "dtype", "ms", "GB/s",
                 "of limit", "max err", "plan" }
  { printf "%-34s %9s %8s %-5s ", value("case") (value("inplace") == "true" ? " in place" : ""), value("rows"),
           value("classes"), value("dtype") }
  value("failed") != "null" { print "FAILED: " value("failed"); next }
  { printf "%10s %8s %8.0f%% %9s  %s\n", value("ms"), value("gbps"), 100 * value("of_limit"), value("max_err"),
           value("plan") }
' "$out/bench.json" | tee "$out/bench.txt"

[ -z "$failed" ] || die "failed:$failed; what passed, the benchmark too, stands in $out"
say "all passed; the results are in $out"
