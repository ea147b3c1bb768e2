#!/bin/sh
# bench/embed.awk and cmake/embed.cmake make the same bytes of the kernels.
# Usage: embed_awk.sh SOURCE_DIR SOURCES_C CC [OPTION…]   (SOURCES_C: what embed.cmake made)
set -eu
cd "$1"
sources=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/dump.c" <<'END'
#include "runtime/program.h"
#include <stdio.h>
int main(void) {
  for (size_t i = 0; i < clloss__n_sources; i++) {
    printf("%s\n", clloss__sources[i].name);
    fwrite(clloss__sources[i].text, 1, clloss__sources[i].size_bytes, stdout);
  }
}
END
awk -v header=runtime/program.h -v symbol=clloss__sources -v type=clloss__source -v count=clloss__n_sources \
  -f bench/embed.awk kernels/*/*.cl >"$work/awk.c"
cp "$sources" "$work/cmake.c"
for by in awk cmake; do
  "$@" -std=c11 -DCL_TARGET_OPENCL_VERSION=120 -Ihost -Iinclude "$work/dump.c" "$work/$by.c" -o "$work/dump"
  "$work/dump" >"$work/$by"
done
[ -s "$work/awk" ] && cmp "$work/awk" "$work/cmake"
