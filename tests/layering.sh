#!/bin/sh
# Who may include and call whom: the law of CONTRIBUTING.md, rule by rule. Comments don't count.
# Usage: layering.sh SOURCE_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# A copy without comments, under the same names.
cd "$source"
find include host kernels check bench cli examples tests -name '*.[ch]' -o -path 'kernels/*.cl*' >"$work/list"
while read -r file; do
  mkdir -p "$work/$(dirname "$file")"
  awk -f "$here/strip_comments.awk" "$file" >"$work/$file"
done <"$work/list"
cd "$work"

fail() {
  echo "layering: $1"
  failed=1
}

# deny WHY EXPRESSION FILE…: no line of the files matches.
deny() {
  why=$1 expression=$2
  shift 2
  [ $# -gt 0 ] || return 0
  if found=$(grep -nE "$expression" /dev/null "$@"); then fail "$why:
$found"; fi
}

# includes_only WHY EXPRESSION FILE…: what stands behind #include matches, in every file.
includes_only() {
  why=$1 expression=$2
  shift 2
  [ $# -gt 0 ] || return 0
  if found=$(grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null "$@" |
    grep -vE "include[[:space:]]+($expression)[[:space:]]*\$"); then fail "$why:
$found"; fi
}

# The files that match, one per line.
matching() { grep -lE "$@" /dev/null || true; }

# A folder of kernels/ is a loss, but for team/; its host files are <loss>.c, <loss>_check.c and the like.
losses=$(find kernels -mindepth 1 -type d ! -name team | sed 's,.*/,,' | sort)
files_of() { find host/losses -name "$1.[ch]" -o -name "$1_*.[ch]"; }

libc='<(assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time)[.]h>'
cl_call='(^|[^A-Za-z0-9_])cl[A-Z][A-Za-z0-9]*[[:space:]]*[(]'
any_loss='(xent|softmax|distill|information|pointwise|rowwise|gemm|linear_|vocab)'

# The word splitting of these lists is meant: names of files hold no blanks.
# shellcheck disable=SC2046,SC2086
check() {
  for file in $(find host -name '*.[ch]'); do
    case $file in
      host/runtime/*/* | host/losses/*/* | host/compose/*/* | host/ref/*/*) fail "$file: layers have no folders of their own" ;;
      host/runtime/* | host/losses/* | host/compose/* | host/ref/*) ;;
      *) fail "$file is in no layer: put it into the folder of one" ;;
    esac
  done

  includes_only '0: public headers need libc and the CL headers alone' \
    "$libc|<CL/cl[.]h>|<OpenCL/opencl[.]h>|\"clloss[a-z_]*[.]h\"" \
    $(find include -name '*.h' ! -name clloss_mpi.h)
  deny '0: the reference and the shared words know nothing of OpenCL' \
    '(^|[^a-z_])cl_|CL/|OpenCL/|"clloss[.]h"' include/clloss/clloss_ref.h include/clloss/clloss_types.h

  includes_only '1: the reference knows its own header and libc' \
    "$libc|[<\"]clloss/clloss_(ref|types)[.]h[>\"]|\"[a-z_0-9]+[.]h\"" host/ref/*.[ch]
  deny '1: the reference never touches OpenCL' "$cl_call|(^|[^a-zA-Z_])(cl_|CL_)" host/ref/*.[ch]

  deny '2: the runtime knows no loss' "$any_loss" host/runtime/*.[ch]
  includes_only '2: the runtime includes itself, and rows.clh for what kernels are told of views' \
    '<[^>]*>|"[a-z_0-9]+[.]h"|"../../kernels/team/[a-z_]+[.]clh"' host/runtime/*.[ch]

  deny '3: losses make no cl* call' "$cl_call" host/losses/*.[ch]
  for loss in $losses; do
    others=$(echo "$losses" | grep -v "^$loss\$" | tr '\n' '|' | sed 's/|$//')
    deny '3: losses do not know each other' "include.*[\"/]($others)(_[a-z_]+)?[.]|clloss_{1,2}($others)_" $(files_of $loss)
    includes_only '3: kernels include those of their own loss and of the team' '"(../team/)?[a-z_]+[.]clh"' kernels/$loss/*
  done
  includes_only '3: the team knows no loss' '"[a-z_]+[.]clh"' kernels/team/*

  deny '4: nothing below calls a composition' \
    'include.*"compose/|clloss_{1,2}(gemm_|linear_|vocab_|xent_host)' host/runtime/*.[ch] host/losses/*.[ch]

  programs=$(find check bench cli examples -name '*.[ch]')
  deny '5: programs use the public headers alone' 'include.*(host|runtime|losses|compose)/|clloss__' $programs
  grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' /dev/null $programs |
    sed 's/^\([^:]*\):[^"]*"\([^"]*\)".*/\1 \2/' >quoted
  while read -r file name; do
    folders=$(dirname "$file")
    case $file in
      bench/*) folders="$folders check" ;;
      cli/*) folders="$folders check bench" ;;
    esac
    known=no
    case $name in clloss/*) known=yes ;; esac
    for folder in $folders; do [ ! -f "$folder/$name" ] || known=yes; done
    [ $known = yes ] || fail "5: $file includes \"$name\", which is neither public nor its own"
  done <quoted

  deny 'the library prints nothing, ends nothing and reads no environment' \
    '(^|[^A-Za-z0-9_])(v?f?printf|f?puts|f?putc|putchar|fwrite|perror|abort|_?exit|_Exit|assert|(secure_)?getenv|signal|raise)[[:space:]]*[(]' \
    $(find host -name '*.[ch]')

  [ "$(matching clEnqueueNDRangeKernel $(find host -name '*.[ch]'))" = host/runtime/launch.c ] ||
    fail "clEnqueueNDRangeKernel stands in one file, host/runtime/launch.c; found in: $(
      matching clEnqueueNDRangeKernel $(find host -name '*.[ch]') | tr '\n' ' ')"
  for header in clblast_c.h mpi.h; do
    for folder in host include examples; do
      users=$(matching "include[[:space:]]*[<\"]$header" $(find $folder -name '*.[ch]'))
      [ "$(echo "$users" | wc -w)" -le 1 ] || fail "$header stands in one file of $folder/; found in: $users"
    done
  done
}

check
[ $failed = 0 ] || exit 1
echo "layering: $(wc -l <list) files keep it"
