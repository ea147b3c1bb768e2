# shellcheck shell=sh
# What tests of the program `clloss` share: a folder to work in, checks that are counted, and the numbers of its reports.
# To be sourced with the test's own name in $name and the program in $clloss.
# shellcheck source=tests/npy.sh
. "$(dirname "$0")/npy.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
checks=0

fail() {
  failures=$((failures + 1))
  # shellcheck disable=SC2154
  echo "$name: $*"
}

# The last line of a test.
verdict() {
  echo "$name: $failures of $checks checks failed"
  [ $failures = 0 ]
}

# check WHAT COMMAND…: the command succeeds.
check() {
  what=$1
  shift
  checks=$((checks + 1))
  "$@" || fail "$what"
}

# is BOUND FILE VALUE…: the numbers of a result file.
is() {
  bound=$1 file=$2
  shift 2
  values "$file" >got
  printf '%s\n' "$@" >want
  close_to "$bound" got want
}

# field KEY: of the JSON in `out`, but for the list of rows at its end.
field() { sed -n "s/, \"surprising\".*/}/; s/^.*\"$1\": \\([^,}]*\\)[,}].*\$/\\1/p" out; }

# field_is BOUND KEY VALUE
field_is() {
  field "$2" >got
  echo "$3" >want
  close_to "$1" got want
}

# shellcheck disable=SC2154
softmax() { "$clloss" eval --loss softmax "$@"; }

# refused STATUS WORD ARGUMENT…: that status, nothing on stdout, one line with WORD on stderr, no file made or changed.
refused() {
  status=$1 word=$2
  shift 2
  checks=$((checks + 1))
  ls -lR >before
  "$clloss" "$@" >out 2>err
  got=$?
  [ $got = "$status" ] || fail "exit $got, not $status: $*"
  [ ! -s out ] || fail "prints on stdout: $*"
  [ "$(wc -l <err)" -eq 1 ] || fail "not one line but $(wc -l <err): $*: $(cat err)"
  grep -qF -e "$word" err || fail "doesn't name '$word': $*: $(cat err)"
  ls -lR >after
  grep -v -e ' before$' -e ' after$' -e ' out$' -e ' err$' -e '^total' before >before.files
  grep -v -e ' before$' -e ' after$' -e ' out$' -e ' err$' -e '^total' -e ' before.files$' after |
    cmp -s - before.files || fail "leaves files behind: $*"
  rm -f before before.files after
}

contents() { [ "$(cat "$1")" = "$2" ]; }
