#!/bin/sh
# `clloss eval` ended at any moment: by a signal, a closed pipe, a full disk, a call that fails. No output is half-written: each
# is what was there before or all of the new one, and unless it was SIGKILL that ended it, all of them are the one or the other,
# and nothing else is left. After any end the next run finds nothing in its way. kill_at.c makes something happen at each of the
# program's calls on files in turn; a driver's threads, and moments between those calls, are met at random.
# Usage: test_kill.sh CLLOSS KILL_AT
set -u
name=test_kill
clloss=$1 kill_at=$2
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"

# gnuplot, which nobody needs to have, and whose pictures aren't what is tested.
mkdir bin tmp
printf '#!/bin/sh\ncat >/dev/null\necho "<svg></svg>"\n' >bin/gnuplot
chmod +x bin/gnuplot
PATH=$work/bin:$PATH TMPDIR=$work/tmp
export PATH TMPDIR

npy x.npy f4 '(4, 3)' 0 0.6931471805599453 1.6094379124341003 0 0 -inf 3 2 1 1 2 3
npy t.npy i4 '(4,)' 1 0 2 2
outputs="g.npy l.npy p.svg"
arguments="--reference --json --dtype f64 --grad g.npy --row-loss l.npy --plot p.svg x.npy t.npy"

# shellcheck disable=SC2086
evaluate() { softmax $arguments; }

# at "N MOMENT WHAT": the run to which that happens; the sanitizers' runtime, where there is one, wants to be the first library.
at() {
  CLLOSS_AT=$1 CLLOSS_AT_LOG=$work/log LD_PRELOAD=$kill_at ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
    evaluate >out 2>err
}

evaluate >out || {
  fail "the plain run fails"
  verdict
  exit
}
for file in $outputs; do cp $file new.$file; done

prepare() {
  rm -f g.npy* l.npy* p.svg* tmp/*
  for file in $outputs; do [ "$1" = absent ] || echo old >$file; done
}

# state: "old", "new" or "mixed" outputs, or which of them is neither.
state() {
  found=
  for file in $outputs; do
    if [ "$1" = absent ] && [ ! -e $file ]; then
      found="$found old"
    elif [ "$(cat $file)" = old ]; then
      found="$found old"
    elif cmp -s $file new.$file; then
      found="$found new"
    else
      found="$found $file:broken"
    fi
  done
  case $found in
    " old old old") echo old ;;
    " new new new") echo new ;;
    *broken*) echo "$found" ;;
    *) echo mixed ;;
  esac
}

leftovers() { find . -name '?.npy.*' -o -name 'p.svg.*' -o -path './tmp/*'; }

# whole STATE WHAT MAY_MIX MAY_LEAVE
judge() {
  checks=$((checks + 1))
  now=$(state "$1")
  case $now in
    old | new) ;;
    mixed) [ "$3" = yes ] || fail "$2: some outputs are old and some new" ;;
    *) fail "$2: $now" ;;
  esac
  [ "$4" = yes ] || [ -z "$(leftovers)" ] || fail "$2: leaves $(leftovers | tr '\n' ' ')"
}

# What a run left doesn't bother the next.
next_run() {
  evaluate >out 2>err || fail "$2: the next run fails: $(cat err)"
  checks=$((checks + 1))
  [ "$(state "$1")" = new ] || fail "$2: the next run's outputs are $(state "$1")"
}

# Every signal at every call, with outputs there before and without. One that comes while names are changed ends the run after
# that, which may be its end anyway.
prepare present
at "0 before 0"
calls=$(cat log)
check "calls on files are seen: $calls" test "$calls" -gt 15
for before in present absent; do
  for signal in 1 2 9 15; do
    kills=no ended=0
    [ $signal != 9 ] || kills=yes
    for moment in before after; do
      for n in $(seq "$calls"); do
        prepare $before
        at "$n $moment $signal"
        got=$?
        what="signal $signal $moment call $n, outputs $before"
        case $got in
          0) check "$what: success, and the outputs are $(state $before)" test "$(state $before)" = new ;;
          $((128 + signal))) ended=$((ended + 1)) ;;
          *) fail "$what: exit $got" ;;
        esac
        judge $before "$what" $kills $kills
      done
    done
    check "signal $signal ends runs: $ended of $((2 * calls))" test $ended -gt $((3 * calls / 2))
    next_run $before "after signal $signal"
  done
done 2>noise # the shell's own words on children that were killed

# Every call fails once, as on a full disk. A second name for what is replaced is a convenience: without one it goes on.
for errno in 28 5; do
  for n in $(seq "$calls"); do
    prepare present
    at "$n error $errno"
    got=$? what="errno $errno at call $n"
    judge present "$what" no no
    if [ $got = 0 ]; then
      check "$what: success, and the outputs are $(state present)" test "$(state present)" = new
    else
      check "$what: exit $got" test $got = 1
      check "$what: the outputs are $(state present)" test "$(state present)" = old
      check "$what: one line on stderr: $(cat err)" test "$(wc -l <err)" = 1
    fi
  done
  next_run present "after errno $errno"
done

# A closed pipe: whether its reader is gone before the report comes is a matter of luck.
for reader in "head -c 1" true; do
  for _ in 1 2 3 4 5; do
    prepare present
    { evaluate 2>err; echo $? >status; } | $reader >out
    judge present "a pipe closed by $reader" no no
    case $(cat status) in
      0) check "a pipe closed late" test "$(state present)" = new ;;
      1) check "a closed pipe: $(cat err)" test "$(state present)$(wc -l <err)" = old1 ;;
      *) fail "a closed pipe: exit $(cat status)" ;;
    esac
  done
done

# A disk that is full indeed: of 64 KB, for a gradient of 400.
header "{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 100), }" >many.npy
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1000,), }" >many_t.npy
head -c 400000 /dev/zero >>many.npy
head -c 1000 /dev/zero >>many_t.npy
mkdir disk
# shellcheck disable=SC2016 # for the inner shell
if [ "$(id -u)" = 0 ] && unshare --mount sh -c 'mount -t tmpfs -o size=64k none disk' 2>/dev/null; then
  # each of the two disks in turn
  for full in "--grad disk/g.npy" "--dtype f64 --row-loss l.npy"; do
    prepare present
    # shellcheck disable=SC2086
    full=$full clloss=$clloss TMPDIR=$work/disk unshare --mount sh -c '
      mount -t tmpfs -o size=64k none disk
      "$clloss" eval --loss softmax --reference many.npy many_t.npy $full >out 2>err
      echo $? >status
      ls -A disk >left'
    check "a full disk: exit $(cat status) with $full" test "$(cat status)" = 1
    check "one line on stderr: $(cat err)" test "$(wc -l <err)" = 1
    check "leaves nothing: $(cat left)" test ! -s left
    judge present "a full disk" no no
  done
else
  echo "$name: NOT RUN: a disk that is full, which takes root and a mount namespace"
fi

# On a device, at random moments; the run's seed is printed.
[ $failures = 0 ] || verdict
seed=$(date +%s)
echo "$name: seed $seed"
arguments="--json --grad g.npy --row-loss l.npy --plot p.svg many.npy many_t.npy"
start=$(date +%s%N)
evaluate >out || fail "the run on a device fails"
took=$((($(date +%s%N) - start) / 1000000))
for file in $outputs; do cp $file new.$file; done
for turn in $(awk -v seed="$seed" -v most="$took" 'BEGIN {
  srand(seed); split("INT TERM HUP KILL", signals)
  for (i = 0; i < 24; i++) printf "%s:%.3f ", signals[1 + i % 4], rand() * 1.1 * most / 1000 }'); do
  prepare present
  # shellcheck disable=SC2086
  timeout --preserve-status -s "${turn%%:*}" "${turn#*:}" "$clloss" eval --loss softmax $arguments >out 2>err
  got=$? may=no
  case $turn:$got in
    INT:*:130 | TERM:*:143 | HUP:*:129 | *:0) ;;
    KILL:*:137) may=yes ;;
    *) fail "$turn: exit $got: $(cat err)" ;;
  esac
  judge present "$turn" $may $may
  [ $got != 0 ] || check "$turn: success" test "$(state present)" = new
done
next_run present "after signals at random"

verdict
