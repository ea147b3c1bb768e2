#!/bin/sh
# The library keeps no state: not one byte of its objects is writable at run time. The sources are compiled here
# again, plainly, because sanitizers and coverage put counters of their own into the build's objects.
# Usage: globals.sh SOURCE_DIR GENERATED.c COMPILER [FLAG…]
set -eu
source=$1 generated=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$source"/host/*/*.c "$generated"; do
  object=$work/$(basename "$file" .c).o
  "$@" -std=c11 -O1 -fPIC -D_POSIX_C_SOURCE=200809L -DCL_TARGET_OPENCL_VERSION=120 -DCLLOSS_BUILDING \
    -I "$source/host" -I "$source/include" -c "$file" -o "$object"
done

# .data.rel.ro holds tables of pointers, constant once the program is loaded.
size -A "$work"/*.o | awk '
  / *:$/ { object = $1; sub(/.*\//, "", object); objects++ }
  /^[.](data|bss|tdata|tbss|sdata|sbss|lbss|ldata)/ && !/^[.]data[.]rel[.]ro/ && $2 > 0 { print object, $1, $2 " bytes writable"; bad = 1 }
  END {
    if (objects < 5) { print "only " objects + 0 " objects looked at"; bad = 1 }
    if (!bad) print objects " objects, nothing writable"
    exit bad
  }'
