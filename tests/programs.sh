#!/bin/sh
# How many OpenCL programs the test run built: each costs a user a second of compiling at the first use, so compile-time
# variants have to stay few. A program is a source with its options; building it again, in another ctx or process, takes
# it from the driver's cache and counts once. tests/layer_programs.c wrote them down, a file per test.
#
# Usage: programs.sh FOLDER MOST TEST…   (the tests that use OpenCL)
set -eu
folder=$1 most=$2
shift 2

ran=0 missing=
for test; do
  if [ -e "$folder/$test" ]; then ran=$((ran + 1)); else missing="$missing $test"; fi
done
[ "$ran" -gt 0 ] || {
  echo "nothing was counted: does the OpenCL loader read OPENCL_LAYERS?"
  exit 1
}

# CLBlast's sources open without a #line directive: what the examples multiply by isn't ours to count. Nor are the tests' own
# programs any user's, or the sources that a test spoils, which only their hash tells from ours.
cat "$folder"/* | awk '$2 != "-" && $2 !~ /^tests\//' | cut -d ' ' -f 2- | sort -u >"$folder.list"
distinct=$(wc -l <"$folder.list")
built=$(cat "$folder"/* | wc -l)
cat "$folder.list"
echo "$distinct programs, built $built times by $ran tests"
[ -z "$missing" ] || echo "only a part of the tests ran; not counted:$missing"
[ "$distinct" -le "$most" ] || {
  echo "FAILED: more than $most programs"
  exit 1
}
