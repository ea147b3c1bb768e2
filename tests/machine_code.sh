#!/bin/sh
# The loops of the kernels hold no call of a driver's builtin, in the machine code that PoCL keeps of them: what is called
# is a function of ours, or memcpy and its like. Whether a driver inlines its builtins is up to its build
# (kernels/team/builtins.clh); each call spills all vectors. Code that is older than the sources is not theirs.
# Usage: machine_code.sh CACHE_DIR SOURCES (the embedded kernels). 77: the driver keeps no machine code, or nothing new.
set -eu
cache=$1 sources=$2
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find "$cache" -name '*__*.so' -newer "$sources" >"$list"
n=$(wc -l <"$list")
if [ "$n" = 0 ]; then
  echo "no kernel was compiled since the sources changed, or the driver keeps none"
  exit 77
fi
# _Z4_cl_fma…: PoCL's library; a name with @plt that isn't in libc's string.h: the C library's mathematics.
while read -r file; do
  objdump -d --no-show-raw-insn "$file" | awk -v file="${file##*/}" '
    /^[0-9a-f]+ <.*>:$/ { inside = $2 }
    $2 == "call" || $2 == "callq" || $2 == "jmp" || $2 == "bl" || $2 == "b" {
      callee = $NF
      sub(/^<%/, "", callee)
      if (callee ~ /_cl_/ || (callee ~ /@plt>$/ && callee !~ /^<mem(cpy|set|move)@plt>$/))
        print file ", " inside " calls " callee
    }'
done <"$list" | sed 's/[+]0x[0-9a-f]*//g' | sort | uniq -c | sort -rn >"$list.calls"
calls=$(wc -l <"$list.calls")
head -n 40 "$list.calls"
rm -f "$list.calls"
echo "$n kernels, $calls functions with calls of a driver's builtins"
[ "$calls" = 0 ]
