#!/bin/sh
# Every OpenCL source compiles alone as OpenCL C 1.2, without a warning: with its macros' defaults, and with each of
# the CLLOSS_ macros that it tests with #ifdef or #if defined given in turn. Unused parameters are no fault here:
# kernels of one loss share one list of arguments. Drivers define __OPENCL_VERSION__, clang by itself doesn't.
# Usage: kernel_syntax.sh SOURCE_DIR CLANG
set -eu
cd "$1"
clang=$2
failed=0 count=0
macros=$(mktemp)
trap 'rm -f "$macros"' EXIT

compile() {
  file=$1
  shift
  count=$((count + 1))
  if ! "$clang" -target spir64-unknown-unknown -x cl -cl-std=CL1.2 -Xclang -finclude-default-header \
    -D__OPENCL_VERSION__=120 -Wall -Wextra -Wpedantic -Wno-unused-parameter -Werror -fsyntax-only "$@" "$file"; then
    echo "kernel_syntax: $file $*"
    failed=1
  fi
}

for file in kernels/*.cl bench/*.cl examples/*.cl; do
  [ -f "$file" ] || continue
  compile "$file"
  sed -n 's/^ *# *if\(def\| defined\)[ (]*\(CLLOSS_[A-Z0-9_]*\).*/\2/p' "$file" | sort -u >"$macros"
  while read -r macro; do compile "$file" "-D$macro"; done <"$macros"
done
[ "$count" -ge 3 ] || { echo "only $count compilations" && exit 1; }
[ $failed = 0 ] || exit 1
echo "$count compilations, no warning"
