# The demo learns the digits, gives the same numbers twice, says so when it hasn't learnt, and answers bad usage and
# bad data with one line and the right exit status.
# usage: demo.sh TRAIN_DIGITS digits.csv.gz WORK_FOLDER
set -u
train=$1 data=$2 work=$3/demo
rm -rf "$work" && mkdir -p "$work" || exit 1
failed=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# status WANTED_EXIT WANTED_LINES_ON_STDERR PATTERN_THERE ARGUMENTS…
status() {
  wanted=$1 lines=$2 pattern=$3
  shift 3
  "$train" "$@" >"$work/out" 2>"$work/err"
  got=$?
  [ $got -eq "$wanted" ] || fail "exit $got, expected $wanted: $*"
  [ "$(wc -l <"$work/err")" -eq "$lines" ] || fail "not $lines lines on stderr: $*"
  [ "$lines" -eq 0 ] || grep -q -e "$pattern" "$work/err" || fail "stderr doesn't say '$pattern': $*"
  cat "$work/err"
}

status 0 0 ''
cat "$work/out"
# One line per epoch, its columns numbers, the time left out of the comparison.
epochs() { awk '/^ *[0-9]+ / {$NF = ""; print}' "$work/out"; }
epochs >"$work/first"
status 0 0 ''
epochs >"$work/second"
[ "$(wc -l <"$work/first")" -eq 30 ] || fail "not a line per epoch"
cmp "$work/first" "$work/second" || fail "the same seed gave other numbers"
status 0 0 '' --seed 2
epochs >"$work/second"
! cmp -s "$work/first" "$work/second" || fail "another seed gave the same numbers"

status 1 0 '' --epochs 1 --hidden 2
grep -q '^not learnt' "$work/out" || fail "two hidden units learnt the digits in an epoch"
status 0 0 '' --help
status 2 1 'epochs' --epochs 0
status 2 1 'hidden' --hidden 12x
status 2 1 'seed' --seed -1
status 2 1 'stray' stray
status 2 1 'nonsense' --nonsense
status 1 1 'device 999' --device 999
status 1 1 'nowhere' --data "$work/nowhere"
head -c 3000 "$data" >"$work/cut.gz"
status 1 1 'cut.gz.*end of file' --data "$work/cut.gz"
gzip -dc "$data" | sed '7s/^0,/17,/' >"$work/wrong"
status 1 1 'wrong: row 7' --data "$work/wrong"
: >"$work/empty"
status 1 1 'empty: too few' --data "$work/empty"
exit $failed
