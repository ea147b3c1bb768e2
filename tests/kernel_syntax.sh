#!/bin/sh
# Every OpenCL source compiles as OpenCL C 1.2 without a warning; those of the library as each team and with each group
# of storage types that the host asks for (host/runtime/program.c), and with the defaults of its macros. Headers are compiled
# in their sources alone: a team's needs its width, the others a team. Unused parameters are no fault here: kernels of
# one loss share one list of arguments. Nor are unused functions: a team of one item folds nothing. Drivers define
# __OPENCL_VERSION__, clang by itself doesn't.
# Usage: kernel_syntax.sh SOURCE_DIR CLANG
set -eu
cd "$1"
clang=$2
failed=0 count=0

compile() {
  file=$1
  shift
  count=$((count + 1))
  if ! "$clang" -target spir64-unknown-unknown -x cl -cl-std=CL1.2 -Xclang -finclude-default-header \
    -D__OPENCL_VERSION__=120 -Wall -Wextra -Wpedantic -Wno-unused-parameter -Wno-unused-function -Werror -fsyntax-only \
    "$@" "$file"; then
    echo "kernel_syntax: $file $*"
    failed=1
  fi
}

# C99's plain `inline` leaves a call that isn't inlined without a function to go to; only some drivers undo that.
if grep -nE '(^|[^A-Za-z_])inline [A-Za-z_]' kernels/*/* bench/*.cl examples/*.cl |
  grep -vE 'static inline|[/ ][*] '; then
  echo "kernel_syntax: inline without static"
  failed=1
fi

# What the host finds out by a trial (host/runtime/probe.c) compiles with the processor's own front end, as far as this
# clang has it.
tried="-DCLLOSS_HAS_PREFETCH -DCLLOSS_HAS_NONTEMPORAL"
if echo '__has_builtin(__builtin_elementwise_fma)' | "$clang" -E -P - | grep -q 1; then tried="$tried -DCLLOSS_HAS_FMA"; fi
if [ "$(uname -m)" = x86_64 ] && echo __FLT16_MANT_DIG__ | "$clang" -E -P - | grep -q 11; then
  tried="$tried -DCLLOSS_HAS_HALF -target x86_64-linux-gnu -mf16c"
fi

# The word splitting is meant: a line of types is several options.
# shellcheck disable=SC2086
variants() {
  compile "$1" $tried
  compile "$1" $tried -DCLLOSS_X=F16 -DCLLOSS_G=F16
  while read -r types; do
    compile "$1" $types
    while read -r shape; do compile "$1" -DCLLOSS_TEAM_GROUP $shape $types; done <<SHAPES

-DCLLOSS_CPU -DCLLOSS_ITEMS=1
-DCLLOSS_ITEMS=128 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=32 -DCLLOSS_VECTORS=8
-DCLLOSS_ITEMS=1024 -DCLLOSS_FORM=2 -DCLLOSS_ROW_ITEMS=1024 -DCLLOSS_VECTORS=4
-DCLLOSS_ITEMS=128 -DCLLOSS_FORM=1 -DCLLOSS_ROW_ITEMS=32 -DCLLOSS_VECTORS=8 -DCLLOSS_OPTIONS
-DCLLOSS_ITEMS=512 -DCLLOSS_FORM=2 -DCLLOSS_ROW_ITEMS=512 -DCLLOSS_VECTORS=4 -DCLLOSS_OPTIONS
-DCLLOSS_ITEMS=128 -DCLLOSS_FORM=3 -DCLLOSS_ROW_ITEMS=1 -DCLLOSS_VECTORS=4
-DCLLOSS_ITEMS=256 -DCLLOSS_FORM=4
SHAPES
  done <<END

-DCLLOSS_X=F32 -DCLLOSS_G=F32 -DCLLOSS_T=F32
-DCLLOSS_REAL_F64 -DCLLOSS_REAL=F64 -DCLLOSS_X=F64 -DCLLOSS_G=F64
-DCLLOSS_REAL_F64 -DCLLOSS_REAL=F64 -DCLLOSS_X=F64 -DCLLOSS_G=F64 -DCLLOSS_T=F64
-DCLLOSS_X=F16 -DCLLOSS_G=F16
-DCLLOSS_X=F16 -DCLLOSS_G=F32 -DCLLOSS_T=F16
-DCLLOSS_X=BF16 -DCLLOSS_G=BF16
-DCLLOSS_X=BF16 -DCLLOSS_G=F32 -DCLLOSS_T=F32
END
}

# A switch that no variant above turns on would compile one way only. What reads other items' registers is a processor's own,
# and compiled for those in gpu_static.sh.
switches=$(sed -n 's/^ *# *if[nd]* *\(ef\|def\|defined\)[ (]*\(CLLOSS_[A-Z0-9_]*\).*/\2/p' kernels/*/*.cl kernels/*/*.clh |
  grep -v '_CLH$' | sort -u)
for switch in $switches; do
  case $switch in
    CLLOSS_SHUFFLE_* | CLLOSS_PTX_BF16 | CLLOSS_WARP | CLLOSS_CPU | CLLOSS_ITEMS | CLLOSS_ROW_ITEMS | CLLOSS_VECTORS | CLLOSS_FORM) ;;
    CLLOSS_HAS_* | CLLOSS_TEAM_GROUP | CLLOSS_OPTIONS | CLLOSS_LABELS | CLLOSS_REAL_F64 | CLLOSS_REAL | CLLOSS_X | CLLOSS_G | CLLOSS_T) ;;
    *) echo "kernel_syntax: no variant defines $switch" && failed=1 ;;
  esac
done

for file in kernels/*/*.cl; do variants "$file"; done
for file in bench/*.cl bench/peers/*.cl examples/*.cl; do compile "$file"; done
[ "$count" -ge 18 ] || { echo "only $count compilations" && exit 1; }
[ $failed = 0 ] || exit 1
echo "$count compilations, no warning"
