#!/bin/sh
# No file over 500 lines, no function of C over 60. Usage: sizes.sh SOURCE_DIR
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find CMakeLists.txt run cmake include kernels host check bench cli examples tests tools -type f \
  \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cl' -o -name '*.clh' -o -name '*.cmake' -o -name CMakeLists.txt \
  -o -name '*.sh' -o -name '*.awk' -o -name '*.py' -o -name run \) >"$list"

# A function is what opens with a brace at the end of an unindented line that has a parenthesis, and closes at the
# next unindented brace: clang-format keeps it so.
xargs awk '
  FNR == 1 { files++; start = 0 }
  FNR == 501 { print FILENAME ": over 500 lines"; bad = 1 }
  FILENAME ~ /[.](c|h|cc|cl|clh)$/ {
    if (!start && /^[A-Za-z_ ].*[()].*[{]$/) start = FNR
    if (/^}/) {
      if (start && FNR - start + 1 > 60) { print FILENAME ":" start ": " FNR - start + 1 " lines up to the brace"; bad = 1 }
      start = 0
    }
  }
  END {
    if (files < 20) { print "only " files " files found"; bad = 1 }
    if (!bad) print files " files: none over 500 lines, no function over 60"
    exit bad
  }' <"$list"
