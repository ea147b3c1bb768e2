#!/bin/sh
# `clloss tune`: what it refuses before it measures anything, that its file appears whole or not at all, and that what is
# written is a tuning text. Usage: test_tune.sh CLLOSS
set -u
name=test_tune
clloss=$1
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
mkdir none
echo old >old.txt

refused 2 "--device -1" tune --device -1
refused 2 "--device 99999999999999999999" tune --device 99999999999999999999
refused 2 "--device 99: the last is" tune --device 99 --out old.txt
refused 2 "--out" tune --out
refused 2 "--out" tune --out ''
refused 2 "--quick=3" tune --quick=3
refused 2 "--family split: neither" tune --family split
refused 2 "--family" tune --family
refused 2 more tune more
refused 1 "no/such/t.txt: No such file" tune --out no/such/t.txt
refused 1 "none: not a regular file" tune --out none
export OCL_ICD_VENDORS="$work/none/"
refused 1 "no OpenCL device" tune --out old.txt
unset OCL_ICD_VENDORS
check "the old file is still there" contents old.txt old

# A signal takes the temporary file along.
"$clloss" tune --out old.txt >out 2>err &
job=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ "$(find . -name 'old.txt.*' | wc -l)" = 0 ] || break
  sleep 0.05
done
check "the file is begun before the measurements" test "$(find . -name 'old.txt.*' | wc -l)" = 1
kill -TERM $job
wait $job 2>/dev/null
check "a signal ends it" test $? = 143
check "and leaves nothing" test "$(find . -name 'old.txt?*' | wc -l)" = 0
check "and spoils nothing" contents old.txt old

"$clloss" tune --quick --out old.txt >out 2>err
check "tunes: $(cat err)" test $? = 0
check "prints nothing beside its file" test ! -s out -a ! -s err
check "says of what" grep -q "^# clLoss's plans on .*, driver .*; by clloss tune, version [0-9]*\.\$" old.txt
number='[0-9][0-9]*'
check "says what was tried" grep -q "^# lane_block_bytes, at 1000 classes: time over .*; $number: [0-9.]* ±[0-9.]*" old.txt
check "holds names with numbers alone: $(cat old.txt)" test "$(grep -vcE '^(#.*|[a-z_]+ [0-9]+|)$' old.txt)" = 0

verdict
