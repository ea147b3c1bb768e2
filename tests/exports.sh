#!/bin/sh
# The symbols are the headers': the shared library exports exactly the CLLOSS_API functions (clloss_ref.h aside, which
# has a library of its own), at most 60; and the archives define no global name that doesn't start with clloss_. Names
# with two leading underscores are the compiler's, for its sanitizers.
# Usage: exports.sh SOURCE_DIR NM SHARED STATIC REF
set -eu
here=$(cd "$(dirname "$0")" && pwd)
include=$1/include/clloss nm=$2 shared=$3 static=$4 ref=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# shellcheck source=tests/declared.sh
. "$here/declared.sh"

compare() {
  if ! diff "$2" "$3" >"$work/difference"; then
    echo "$1: < declared, > defined"
    cat "$work/difference"
    failed=1
  fi
}

cd "$include"
# shellcheck disable=SC2046  # no blanks in the names of headers
declared $(find . -name '*.h' ! -name clloss_ref.h) >"$work/declared"
declared clloss_ref.h >"$work/declared_ref"
"$nm" -D --defined-only "$shared" | awk '$3 !~ /^__/ { print $3 }' | sort >"$work/exported"
compare "exports of $shared" "$work/declared" "$work/exported"

for archive in "$static" "$ref"; do
  "$nm" -g --defined-only "$archive" | awk 'NF == 3 && $3 !~ /^__/ { print $3 }' | sort >"$work/defined"
  grep -v '^clloss__' "$work/defined" >"$work/public" || true
  wanted=$work/declared
  [ "$archive" = "$static" ] || wanted=$work/declared_ref
  compare "globals of $archive" "$wanted" "$work/public"
done

count=$(wc -l <"$work/declared")
if [ "$count" -gt 60 ] || [ "$count" -lt 10 ]; then
  echo "$count functions declared, not 10 to 60"
  failed=1
fi
if grep -v '^clloss_' "$work/declared"; then
  echo "names above don't start with clloss_"
  failed=1
fi
[ $failed = 0 ] || exit 1
echo "$count functions, declared and exported"
