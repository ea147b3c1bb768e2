#!/bin/sh
# First contact with a GPU, in one call of at most ten minutes, on a machine that may have no more than a C compiler and the
# GPU's driver, and no network: finds the driver's OpenCL, builds library, tests and program with cc alone, runs the
# conformance suite, saves what the driver compiles, and times clLoss beside the memory's limit and beside what Python has there.
#
#   bench/gpu.sh [--build-only | --carry] [OUT] [BENCH-OPTION…]     OUT: a folder for the results (gpu-results)
#   CC, CFLAGS     the compiler (cc) and what else it is to be given
#   CUDA_HOME      where CL/cl.h, libOpenCL.so and ptxas are looked for after the usual places (/usr/local/cuda)
#   MINUTES        what all of it may take (10): each part has its share, and what it left by then counts
#
# --carry puts this machine's OpenCL headers and loader into build/gpu-carry, which is then taken along and used where
# there are none.
#
# OUT gets, as they come: machine.txt; check.txt, what `clloss check --full` says; tests/, a log for each test; ptx/, what the
# driver makes of the kernels, and registers.txt, what ptxas says of that, beside docs/benchmarks/gpu-static.txt; bench.json, a line per
# case, peers.json of PyTorch and Triton, and bench.txt, both as a table. A line of OUT/progress.txt is a part that has ended. The
# exit status is 1 if a test or a case failed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC:-cc}
cuda=${CUDA_HOME:-/usr/local/cuda}
carry=$root/build/gpu-carry
build_only=
[ "${1-}" != --build-only ] || { build_only=1 && shift; }
if [ "${1-}" = --carry ]; then
  mkdir -p "$carry"
  cp -rL "${OPENCL_HEADERS:-/usr/include/CL}" "$carry/"
  loader=$(ldconfig -p | sed -n 's/.*libOpenCL\.so\.1 .*=> //p' | head -n 1)
  [ -n "$loader" ] || { echo "gpu.sh: this machine has no libOpenCL.so.1" >&2 && exit 1; }
  cp -L "$loader" "$carry/libOpenCL.so.1"
  echo "gpu.sh: $carry has OpenCL's headers and $loader"
  exit 0
fi
out=${1-gpu-results}
[ $# = 0 ] || shift
case $out in -*) set -- "$out" "$@" && out=gpu-results ;; esac

say() { echo "gpu.sh: $*"; }

die() {
  echo "gpu.sh: $*" >&2
  exit 1
}

began=$(date +%s)
rm -rf "$out/build" "$out/tests" "$out/ptx" "$out/progress.txt"
mkdir -p "$out/build" "$out/tests"
out=$(cd "$out" && pwd)
work=$out/build
cd "$root"

# Seconds that are left of so many, 5 at least.
left() {
  spent=$(($(date +%s) - began)) all=$((60 * ${MINUTES:-10}))
  rest=$((all - spent < $1 ? all - spent : $1))
  echo $((rest < 5 ? 5 : rest))
}
# within SECONDS COMMAND…: killed when those, or all of the minutes, are over.
within() {
  limit=$(left "$1")
  shift
  if command -v timeout >/dev/null; then timeout "$limit" "$@"; else "$@"; fi
}
ended() { echo "$(($(date +%s) - began)) s: $*" | tee -a "$out/progress.txt"; }

# ---- the driver: where its OpenCL is not announced to the loader, that is done for this run alone

announce() {
  for place in "$(ldconfig -p 2>/dev/null | sed -n 's/.*libnvidia-opencl\.so\.1 .*=> //p' | head -n 1)" \
    /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib/aarch64-linux-gnu /usr/local/nvidia/lib64 /usr/local/nvidia/lib \
    /usr/local/cuda/compat /run/nvidia/driver/usr/lib/x86_64-linux-gnu /usr/lib/wsl/lib /opt/nvidia; do
    [ -n "$place" ] || continue
    library=$(find "$place" -maxdepth 3 -name 'libnvidia-opencl.so*' 2>/dev/null | sort | head -n 1)
    [ -n "$library" ] || continue
    mkdir -p "$out/vendors"
    echo "$library" >"$out/vendors/nvidia.icd"
    export OCL_ICD_VENDORS="$out/vendors" OCL_ICD_FILENAMES="$library"
    say "OpenCL of $library, which was announced nowhere"
    return
  done
}
grep -qs nvidia /etc/OpenCL/vendors/*.icd || ! command -v nvidia-smi >/dev/null || announce

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
for place in '' "$cuda/include" "$cuda"/targets/*/include "$carry"; do
  for library in -lOpenCL "$cuda/lib64/libOpenCL.so" "$cuda"/targets/*/lib/libOpenCL.so \
    /usr/lib/*/libOpenCL.so.1 /usr/lib64/libOpenCL.so.1 "$carry/libOpenCL.so.1"; do
    [ -z "$loader" ] && compiles "$opencl" ${place:+-I "$place"} "$library" || continue
    headers=$place loader=$library
  done
done
[ -n "$loader" ] ||
  die "$cc finds no CL/cl.h or no libOpenCL, neither by itself nor in $cuda (CUDA_HOME) nor in $carry (--carry)"
case $loader in
  /*) LD_LIBRARY_PATH=$(dirname "$loader")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} && export LD_LIBRARY_PATH ;;
esac
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
object tests tests/gpu_binary.c
wait
link gpu_binary "$(object_of tests tests/gpu_binary.c)"
while read -r name sources; do
  objects=
  for file in $sources; do objects="$objects $(object_of tests "$(source_of "$file")")"; done
  # shellcheck disable=SC2086  # a list of files
  link "test_$name" $objects
done <"$work/tests.list"
[ -z "$build_only" ] || exit 0

ended "built"

# ---- conformance, what tells most first

{
  uname -a
  date -u
  ! command -v nvidia-smi >/dev/null || nvidia-smi
  "$work/clloss" devices
} >"$out/machine.txt" 2>&1 || { cat "$out/machine.txt" >&2 && die "no OpenCL device"; }
cat "$out/machine.txt"

failed=
within 150 "$work/clloss" check --full >"$out/check.txt" 2>&1 || failed=' check'
tail -n 30 "$out/check.txt"
ended "clloss check --full:${failed:- passed}"

# test NAME: its line of the list, its log, and what came of it
run_test() {
  status=0
  printf '%-14s ' "$1"
  # shellcheck disable=SC2046  # arguments
  within 60 "$work/test_$1" $(arguments "$1") >"$out/tests/$1.log" 2>&1 </dev/null || status=$?
  case $status in
    0) echo "passed   $(grep ' points ran, ' "$out/tests/$1.log" || true)" ;;
    77) echo "skipped" ;;
    124 | 137) echo "ran out of time" ;;
    *) echo "FAILED   exit status $status: $out/tests/$1.log" && failed="$failed $1" ;;
  esac
}
for name in xent softmax pointwise information distill math; do run_test $name; done
ended "first tests"

# ---- what the driver makes of the kernels

mkdir -p "$out/ptx"
ptxas=$(command -v ptxas || ls "$cuda/bin/ptxas" 2>/dev/null || true)
: >"$out/registers.txt"
while read -r source shape; do
  name=$(basename "$source" .cl)$(echo "$shape" | tr -d ' ' | tr -s -- '-D=CLOSITEMRWVUFNPBX_' '_')
  within 40 "$work/gpu_binary" "$source" "$shape" "$out/ptx/$name.ptx" >"$out/ptx/$name.log" 2>&1 || continue
  [ -n "$ptxas" ] || continue
  arch=$(sed -n 's/^\.target \(sm_[0-9a-z]*\).*/\1/p' "$out/ptx/$name.ptx" | head -n 1)
  {
    echo "== $source $shape"
    "$ptxas" -v -arch="${arch:-sm_90}" "$out/ptx/$name.ptx" -o /dev/null 2>&1 | awk '
      /entry function/ { split($0, q, "\047"); kernel = q[2] }
      /stack frame/ { stack = $0 }
      /Used/ { print kernel ":" $0 ";" stack }'
  } >>"$out/registers.txt"
done <<END
xent.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=128 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=32 -DCLLOSS_VECTORS=8
xent.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=256 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=256 -DCLLOSS_VECTORS=8
xent.cl -DCLLOSS_X=BF16 -DCLLOSS_G=BF16 -DCLLOSS_ITEMS=256 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=256 -DCLLOSS_VECTORS=8
xent.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=1024 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=1024 -DCLLOSS_VECTORS=8
xent.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=1024 -DCLLOSS_FORM=2 -DCLLOSS_ROW_ITEMS=1024 -DCLLOSS_VECTORS=4
xent.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=128 -DCLLOSS_FORM=3 -DCLLOSS_ROW_ITEMS=1 -DCLLOSS_VECTORS=4
softmax.cl -DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_ITEMS=256 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=256 -DCLLOSS_VECTORS=8
END
ended "the driver's PTX"

# ---- times

: >"$out/bench.json"
for case in inplace bf16 forward backward; do
  within 100 "$work/clloss" bench --json --case xent_$([ $case = inplace ] || [ $case = bf16 ] && echo fused_)$case \
    --classes 10,100,256,1024,4096,32768,131072,262144 --size-mb "${SIZE_MB:-512}" "$@" >>"$out/bench.json" 2>>"$out/bench.log" || {
    status=$?
    [ $status = 124 ] || failed="$failed benchmark:$case"
  }
  ended "benchmark: $case"
done
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  within 120 python3 bench/peers/gpu_peer.py "${SIZE_MB:-512}" >"$out/peers.json" 2>"$out/peers.log" || true
  ended "peers"
fi
touch "$out/peers.json"
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
  FILENAME ~ /peers/ { printf "%10s %8s\n", value("ms"), value("gbps"); next }
  value("failed") != "" && value("failed") != "null" { print "FAILED: " value("failed"); next }
  { printf "%10s %8s %8.0f%% %9s  %s\n", value("ms"), value("gbps"), value("over_bound") > 0 ? 100 / value("over_bound") : 0,
           value("max_err"), value("plan") }
' "$out/bench.json" "$out/peers.json" | tee "$out/bench.txt"

# ---- the other tests, as far as the minutes go

for name in $(cut -d ' ' -f 1 "$work/tests.list"); do
  [ -f "$out/tests/$name.log" ] || [ "$(left 60)" -lt 20 ] || run_test "$name"
done
ended "other tests"

[ -z "$failed" ] || die "failed:$failed; what passed, the benchmark too, stands in $out"
say "all passed; the results are in $out"
