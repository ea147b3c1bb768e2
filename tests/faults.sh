#!/bin/sh
# Every public function has a row in the table of the calls beneath which something is made to fail (fault_rows.c), also those
# that never ask OpenCL: the table says so of them, and test_faults checks it. Usage: faults.sh SOURCE_DIR TEST_FAULTS
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/declared.sh
. "$here/declared.sh"
program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$1/include/clloss"
# shellcheck disable=SC2046  # no blanks in the names of headers
declared $(find . -name '*.h' ! -name clloss_ref.h) >"$work/declared"
"$program" calls | sort -u >"$work/rows"
[ -s "$work/declared" ] || {
  echo "no function is declared"
  exit 1
}
diff "$work/declared" "$work/rows" || {
  echo "< declared and without a row in tests/fault_rows.c, > a row without a function"
  exit 1
}
echo "$(wc -l <"$work/rows") functions, each with a row"
