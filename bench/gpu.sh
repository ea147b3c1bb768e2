#!/bin/sh
# First contact with a GPU, in one call of at most ten minutes, on a machine that may have no more than a C compiler and the
# GPU's driver, and no network: finds the driver's OpenCL, builds library, tests and program with cc alone, looks whether the
# device can be trusted, times clLoss beside the memory's limit and beside what Python has there, saves what the driver
# compiles, and runs the tests as far as the minutes go.
#
#   bench/gpu.sh [--build-only | --carry] [OUT] [BENCH-OPTION…]     OUT: a folder for the results (gpu-results), of its own
#   CC, CFLAGS     the compiler (cc) and what else it is to be given
#   CUDA_HOME      where CL/cl.h, libOpenCL.so and ptxas are looked for after the usual places (/usr/local/cuda)
#   MINUTES        what all of it may take (9): each part has its share, and what it left by then counts
#   SIZE_MB        of logits in f32 (128)
#
# --carry puts this machine's OpenCL headers and loader into build/gpu-carry, which is then taken along and used where
# there are none.
#
# OUT gets eight files, as they come: run.txt, the machine and what has ended when; check.txt, what `clloss check` says, and with
# --full; bench.json, a line per case; peers.json, of PyTorch, torch.compile and Triton; bench.txt, both as a table;
# registers.txt, what ptxas says of the driver's PTX, beside what the static tests measured (tests/gpu_static.txt has their bounds);
# tests.txt, the tests' logs; ptx.tar.gz, the PTX. What fails, and what there was no time for, is named at the end, and in
# run.txt. The exit status is 1 if a test or a case failed, or if there was no time for the first ones.
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
[ -z "$build_only" ] || out=$(mktemp -d)
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ ! -f "$out/run.txt" ] && [ -n "$(ls -A "$out")" ]; then
  die "$out isn't empty, and its files are none of an earlier run"
fi
(cd "$out" && rm -f run.txt check.txt bench.json peers.json bench.txt registers.txt tests.txt ptx.tar.gz)
: >"$out/run.txt"
work=$(mktemp -d)
trap 'rm -rf "$work" ${build_only:+"$out"}' EXIT
trap 'exit 1' HUP INT TERM
cd "$root"

spent() { echo $(($(date +%s) - began)); }
# Seconds that are left of so many; 0 at least.
left() {
  rest=$((60 * ${MINUTES:-9} - $(spent)))
  [ $rest -lt "$1" ] || rest=$1
  echo $((rest < 0 ? 0 : rest))
}
# within SECONDS COMMAND…: killed when those, or all of the minutes, are over: status 124, as if it had not been begun.
within() {
  limit=$(left "$1")
  shift
  [ "$limit" -ge 2 ] || return 124
  if command -v timeout >/dev/null; then timeout "$limit" "$@"; else "$@"; fi
}
failed='' unfinished=''
# judge STATUS NAME: what came of a part.
judge() {
  verdict=passed
  case $1 in
    0) ;;
    77) verdict=skipped unfinished="$unfinished $2" ;;
    124 | 137) verdict='no time' unfinished="$unfinished $2" ;;
    *) verdict="FAILED, exit status $1" failed="$failed $2" ;;
  esac
  echo "$(spent) s: $2: $verdict" | tee -a "$out/run.txt"
}

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
openmp='' native='' svm=''
! compiles 'int main(void) { return 0; }' -fopenmp || openmp=-fopenmp
! compiles 'int main(void) { return 0; }' -march=native || native=-march=native
# SVM where headers and loader have OpenCL 2.0's, as CMakeLists.txt finds out
! compiles '#define CL_TARGET_OPENCL_VERSION 200
#include <CL/cl.h>
int main(void) { return clSetKernelArgSVMPointer(0, 0, 0); }' ${headers:+-I "$headers"} "$loader" || svm=-DCLLOSS_HAS_SVM

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
# shellcheck disable=SC2086  # an option, or none
for file in host/*/*.c "$work/sources.c"; do object library "$file" $svm; done
# shellcheck disable=SC2086
for file in check/*.c; do object check "$file" $svm; done
for file in bench/*.c bench/peers/*.c cli/*.c "$work"/made/bench/*.c; do
  case $file in
    bench/loops.c) object program "$file" -O3 $openmp ;;
    bench/peers/loop.c) object program "$file" -O3 -ffast-math $openmp $native ;;
    *) object program "$file" $openmp ;;
  esac
done

# Tests, a line each; NAME SOURCE… of those that use OpenCL and need neither a layer under the loader, nor CMake, nor C++;
# and their arguments.
sed -n '/^clloss_test(/{:more
/)$/!{N
s/\n */ /
b more
}
/ REF[ )]/d
/ LAYER[ )]/d
/[.]cpp[ )]/d
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

judge 0 "the build"

# ---- the driver: where its OpenCL is announced beside others', or not at all, it is announced alone, for this run

has_gpu() { "$work/clloss" devices 2>/dev/null | grep -Eq ' GPU +[0-9]+ '; }

# Its folder goes into the loader's path as well, as the driver opens its neighbours by name.
announce() {
  mkdir -p "$work/vendors"
  echo "$1" >"$work/vendors/only.icd"
  export OCL_ICD_VENDORS="$work/vendors" OCL_ICD_FILENAMES="$1"
  case $1 in /*) LD_LIBRARY_PATH=$(dirname "$1")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} && export LD_LIBRARY_PATH ;; esac
}

find_driver() {
  path=${LD_LIBRARY_PATH-}
  for library in $(cat /etc/OpenCL/vendors/*.icd 2>/dev/null) \
    $(ldconfig -p 2>/dev/null | sed -n 's/.*libnvidia-opencl\.so\.1 .*=> //p') \
    $(find /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/local/nvidia /usr/local/cuda/compat \
      /run/nvidia/driver/usr/lib /usr/lib/wsl /opt/nvidia -maxdepth 4 -name 'libnvidia-opencl.so*' 2>/dev/null | sort); do
    announce "$library"
    has_gpu && say "OpenCL of $library" && return
    export LD_LIBRARY_PATH="$path"
  done
  unset OCL_ICD_VENDORS OCL_ICD_FILENAMES
  say "no GPU is found: a rehearsal on what there is"
}
[ -n "${OCL_ICD_VENDORS-}${OCL_ICD_FILENAMES-}" ] || find_driver

{
  uname -a
  date -u
  ! command -v nvidia-smi >/dev/null || nvidia-smi
  "$work/clloss" devices
} >>"$out/run.txt" 2>&1 || { cat "$out/run.txt" >&2 && die "no OpenCL device"; }
cat "$out/run.txt"

# ---- can the device be trusted

# check SECONDS NAME OPTION…
check() {
  limit=$1 name=$2 status=0
  shift 2
  within "$limit" "$work/clloss" check "$@" >"$work/said" 2>&1 || status=$?
  { echo "== clloss check $*" && cat "$work/said"; } | tee -a "$out/check.txt"
  judge $status "$name"
}
check 90 'the check'

# ---- times: what the targets speak of first

size=${SIZE_MB:-128}
: >"$out/bench.json"
: >"$out/peers.json"
table() { awk -f bench/gpu_table.awk "$out/bench.json" "$out/peers.json" >"$out/bench.txt" || die "can't make the table"; }
# time_case SECONDS CASE OPTION…
time_case() {
  limit=$1 case=$2 status=0
  shift 2
  within "$limit" "$work/clloss" bench --json --case "$case" --size-mb "$size" "$@" >>"$out/bench.json" \
    2>"$work/log" || status=$?
  grep -v '^$' "$work/log" >>"$out/run.txt" || true
  table
  judge $status "benchmark $case $*"
}
few='4096,32768,131072,1024,256,262144,100,10'
time_case 60 xent_fused_inplace --classes $few "$@"
time_case 20 xent_fused_inplace --classes 131072 --rows 1 "$@"
time_case 20 xent_fused_inplace --classes 131072 --rows 16 "$@"
if within 40 python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  status=0
  within 100 python3 bench/peers/gpu_peer.py "$size" >"$out/peers.json" 2>"$work/log" || status=$?
  tail -n 5 "$work/log" >>"$out/run.txt"
  judge $status peers
else
  echo "no python3 here has a torch that sees a GPU: no peers" | tee -a "$out/run.txt"
fi
for case in xent_fused_bf16 xent_forward xent_bf16_forward xent_backward xent_bf16_backward; do
  time_case 50 $case --classes $few "$@"
done
cat "$out/bench.txt"

# ---- what the driver makes of the kernels

mkdir "$work/ptx"
ptxas=$(command -v ptxas || ls "$cuda/bin/ptxas" 2>/dev/null ||
  within 20 find / -xdev -name ptxas -type f 2>/dev/null | head -n 1)
static=docs/benchmarks/gpu-static.txt
status=0
{
  echo "Registers, and bytes of stack: of the driver's PTX by ${ptxas:-no ptxas}; (static) of clang's, where $static has the kernel"
  while read -r source type shape kernel; do
    ptx=$work/ptx/$(basename "$source" .cl)_${type}_$(echo "$shape" | tr : _).ptx
    within 40 "$work/gpu_binary" "$(basename "$source")" "$type" "$shape" "$kernel" "$ptx" 2>&1 || {
      failure=$?
      [ $status != 0 ] && [ $status != 124 ] || status=$failure
      continue
    }
    arch=$(sed -n 's/^\.target \(sm_[0-9a-z]*\).*/\1/p' "$ptx" | head -n 1)
    [ -n "$ptxas" ] && [ -n "$arch" ] || continue
    echo "== $source $type $shape $arch"
    "$ptxas" -v -arch="$arch" "$ptx" -o /dev/null 2>&1 | awk -v build="nvidia sm_90 $source $type $shape" -v static="$static" '
      BEGIN {
        while ((getline line < static) > 0) {
          n = split(line, word, " +")
          if (index(line, word[1] " ") == 1 && word[1] " " word[2] " " word[3] " " word[4] " " word[5] == build)
            for (i = 7; i < n; ++i) if (word[i] == "registers") of[word[6]] = word[i + 1]
        }
      }
      /entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
      /error|fatal/ { print }
      /stack frame/ { stack = $1 + $5 + $9 }
      match($0, /Used [0-9]+ registers/) {
        printf "%-34s %s (%s), %s\n", kernel, substr($0, RSTART + 5, RLENGTH - 15), kernel in of ? of[kernel] : "-", stack
      }'
  done <<END
xent/xent.cl f32 1:128:32:8 xent_fused__group_held
xent/xent.cl f32 1:256:256:8 xent_fused__group_held
xent/xent.cl bf16 1:256:256:8 xent_fused__group_held
xent/xent.cl f32 1:1024:1024:8 xent_fused__group_held
xent/xent.cl f32 2:1024:1024:4 xent_fused__group_long
xent/xent.cl f32 3:128:1:4 xent_fused__group_tile
softmax/softmax.cl f32 1:256:256:8 softmax_forward__group_held
END
} >"$out/registers.txt"
(cd "$work" && tar czf "$out/ptx.tar.gz" ptx)
judge $status "the driver's PTX"

# ---- the tests, what tells most first, several at a time: most of their time is the compiler's

first='xent softmax pointwise information distill math xent_options golden'
others=$(cut -d ' ' -f 1 "$work/tests.list")
names=$(for name in $first $others; do echo "$name"; done | awk '!seen[$0]++')
share=$(left 600)
running=0
for name in $names; do
  (
    status=0
    # shellcheck disable=SC2046  # arguments
    within "$share" "$work/test_$name" $(arguments "$name") >"$work/$name.log" 2>&1 </dev/null || status=$?
    echo $status >"$work/$name.status"
  ) &
  running=$((running + 1))
  [ $((running % ((jobs + 1) / 2))) != 0 ] || wait
done
wait
for name in $names; do
  { echo "== $name" && cat "$work/$name.log"; } >>"$out/tests.txt"
  judge "$(cat "$work/$name.status")" "test $name"
done
check 200 'the full check' --full

{
  echo "failed:${failed:- nothing}"
  echo "no time for, or skipped:${unfinished:- nothing}"
} | tee -a "$out/run.txt"
case $failed$unfinished in
  *'the check'* | *'benchmark xent_fused_inplace'*) exit 1 ;;
esac
[ -z "$failed" ]
