# shellcheck shell=sh
# declared HEADER…: the functions that are CLLOSS_API in them, sorted. To be sourced with the folder of the tests in $here.
declared() {
  # shellcheck disable=SC2154
  for header; do awk -f "$here/strip_comments.awk" "$header" | grep -v '^[[:space:]]*#'; done | tr '\n' ' ' |
    grep -oE 'CLLOSS_API[^;(]*[(]' | sed 's/[[:space:]]*[(]$//; s/.*[^A-Za-z0-9_]//' | sort
}
