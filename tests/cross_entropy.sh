#!/bin/sh
# docs/cross_entropy.md shows what `clloss eval` prints. The files that the page makes are made, each of its commands with
# --reference is run, and the lines below it must be in its output, in their order; "..." stands for any lines.
# usage: cross_entropy.sh PAGE CLLOSS WORK_FOLDER
set -u
page=$1 clloss=$2 work=$3/cross_entropy
rm -rf "$work" && mkdir -p "$work" || exit 1
# shellcheck source=tests/npy.sh
. "$(dirname "$0")/npy.sh"
failed=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# np.save("NAME", [[NUMBER, …], …]) as: NAME TYPE SHAPE|NUMBER …, NumPy's types of Python's numbers.
awk '/np\.save\(/ {
    split($0, quoted, "\"")
    list = $0; sub(/^[^,]*, /, "", list); sub(/\).*/, "", list)
    rows = gsub(/\], \[/, ", ", list) + 1
    flat = list !~ /\[\[/
    type = list ~ /\./ ? "f8" : "i8"
    gsub(/[][]/, "", list)
    n = gsub(/, /, " ", list) + 1
    print quoted[2] " " type " " (flat ? "(" n ",)" : "(" rows ", " n / rows ")") "|" list
  }' "$page" >"$work/files"
while IFS='|' read -r what numbers; do
  name=${what%% *} rest=${what#* }
  # shellcheck disable=SC2086  # a list of numbers
  npy "$work/$name" "${rest%% *}" "${rest#* }" $numbers
done <"$work/files"
[ "$(wc -l <"$work/files")" -ge 7 ] || fail "the page makes fewer than seven files"

# The command, or a line below it, without what Markdown and the page put before them.
awk '/^    \$ clloss eval .*--reference/ {on = 1; n++; print "$ " substr($0, 14); next}
  on && /^    \$/ {on = 0} on && !/^    / {on = 0} on {print substr($0, 5)}' "$page" >"$work/shown"
commands=0

# compare: the lines `wanted` are in `out`.
compare() {
  awk 'function bare(line) {gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line); return line}
    NR == FNR {out[++n] = bare($0); next}
    bare($0) == "..." {skip = 1; next}
    { found = 0
      while (at < n && !found) {
        found = out[++at] == bare($0)
        if (!skip && !found) break
      }
      skip = 0
      if (!found) {print "not in the output: " $0; exit 1} }' "$work/out" "$work/wanted"
}

finish() {
  [ $commands -gt 0 ] || return 0
  compare || fail "$command"
}

while IFS= read -r line; do
  case $line in
    '$ '*)
      finish
      command=${line#??} commands=$((commands + 1))
      : >"$work/wanted"
      # shellcheck disable=SC2086  # its words
      (cd "$work" && "$clloss" eval ${command#eval }) >"$work/out" 2>"$work/err" </dev/null ||
        fail "$command: $(cat "$work/err")"
      ;;
    *) printf '%s\n' "$line" >>"$work/wanted" ;;
  esac
done <"$work/shown"
finish
[ $commands -ge 6 ] || fail "the page has $commands commands with --reference"

# A sum in the text, "A + B = C" of seven digits each, may be off by three halves of the last. The page's links lead to files.
grep -o '[0-9][0-9.]* + [0-9.]* = [0-9][0-9.]*[0-9]' "$page" >"$work/sums"
awk '{d = $1 + $3 - $5; if (!(d < 1.51e-7 && d > -1.51e-7)) {print; bad = 1}} END {exit bad || !NR}' "$work/sums" ||
  fail "a sum on the page"
grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//' >"$work/links"
while IFS= read -r link; do
  [ -f "$(dirname "$page")/$link" ] || fail "no file $link"
done <"$work/links"
exit $failed
