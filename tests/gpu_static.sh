#!/bin/sh
# What can be shown of the group team's kernels without a GPU: GPU vendors' own compilers say how many registers a kernel
# takes, whether it spills, how wide its accesses are, and how many barriers it has. Compared with the bounds of a table.
#
#   gpu_static.sh SOURCE_DIR TABLE TOOLS WORK [REPORT]
#
# TOOLS is where ./run test --gpu-static has unpacked the compilers; WORK gets what they make; REPORT the measured values beside their
# bounds. A line of TABLE is a build, or kernels of one and their bounds; the columns stand in its head, and words with commas are
# lists: the line stands for all their combinations. In every build every kernel has no stack, no spills and no traffic to memory of
# its own, listed or not; what is excepted must have some. A kernel that one vendor's compiler makes of a source and others'
# don't is an error, and so is one without instructions or registers.
set -eu
source_dir=$(cd "$1" && pwd) table=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
tools=$(cd "$3" && pwd) work=$4 report=${5-}
mkdir -p "$work"
work=$(cd "$work" && pwd)
root=$tools/root/usr lib=$tools/root/usr/lib/x86_64-linux-gnu

# One file, as ocloc takes no other: every #include brings the text in, as in C.
flatten() {
  awk -v root="$source_dir/kernels" '
    function folder(path) { sub(/[^\/]*$/, "", path); return path }
    function real(path) { while (sub(/[^\/]+\/\.\.\//, "", path)) continue; return path }
    function put(path,    line, name) {
      while ((getline line < path) > 0) {
        if (line ~ /^ *# *include "/) {
          name = line
          gsub(/^[^"]*"|"[^"]*$/, "", name)
          put(real(folder(path) name))
        } else print line
      }
      close(path)
    }
    BEGIN { put(root "/" ARGV[1]); exit }' "$1"
}

# options_of TYPES SHAPE: what host/runtime/program.c gives the compiler. TYPES is x, or x:t with probabilities or another
# tensor; SHAPE is items, or form:items:row_items:vectors, and behind these :options.
options_of() {
  x=$(echo "${1%%:*}" | tr a-z A-Z)
  real=F32
  [ "$x" != F64 ] || real=F64
  printf -- '-DCLLOSS_TEAM_GROUP -DCLLOSS_REAL=%s -DCLLOSS_X=%s -DCLLOSS_G=%s' $real "$x" "$x"
  [ $real = F32 ] || printf -- ' -DCLLOSS_REAL_F64'
  case $1 in *:*) printf -- ' -DCLLOSS_T=%s' "$(echo "${1#*:}" | tr a-z A-Z)" ;; esac
  case $2 in
    *:*)
      echo "$2" | {
        IFS=: read -r form items row vectors options
        printf -- ' -DCLLOSS_ITEMS=%s -DCLLOSS_FORM=%s' "$items" "$form"
        [ -z "$row" ] || printf -- ' -DCLLOSS_ROW_ITEMS=%s -DCLLOSS_VECTORS=%s' "$row" "$vectors"
        [ -z "$options" ] || printf -- ' -DCLLOSS_OPTIONS'
      }
      ;;
    *) printf -- ' -DCLLOSS_ITEMS=%s' "$2" ;;
  esac
}

# Each of these makes OUT.kernels: a line per kernel, of name=value.

# nvidia ARCH SOURCE OPTIONS OUT: clang to PTX, ptxas, nvdisasm. Denormals, divisions and the size of work-groups are as in
# NVIDIA's own compiler, of which clang takes no word (cl-denorms-are-zero) or gives none on (reqd_work_group_size).
nvidia() {
  arch=$1 source=$2 options=$3 out=$4
  extra='-DCLLOSS_SHUFFLE_PTX -DCLLOSS_WARP=32'
  [ "${arch#sm_}" -lt 80 ] || extra="$extra -DCLLOSS_PTX_BF16"
  items=$(echo " $options" | sed 's/.*-DCLLOSS_ITEMS=\([0-9]*\).*/\1/')
  # shellcheck disable=SC2086  # options
  LD_LIBRARY_PATH=$lib "$root/lib/llvm-19/bin/clang" -x cl -cl-std=CL1.2 -target nvptx64--nvidiacl -O3 -Xclang \
    -finclude-default-header -D__OPENCL_VERSION__=120 -Xclang -target-cpu -Xclang "$arch" -Xclang \
    -fdenormal-fp-math-f32=preserve-sign -mllvm -nvptx-prec-divf32=1 -Xclang -mlink-builtin-bitcode -Xclang \
    "$root/lib/clc/nvptx64--nvidiacl.bc" $options $extra -S "$source" -o "$out.ptx" || return 1
  sed -i "/^\.visible \.entry/,/^{/ s/^{/.reqntid $items, 1, 1\n{/" "$out.ptx"
  "$tools/ptxas" -v -arch="$arch" "$out.ptx" -o "$out.cubin" 2>"$out.log" || { cat "$out.log" && return 1; }
  "$tools/nvdisasm" -c "$out.cubin" >"$out.sass" || return 1
  awk '
    FILENAME ~ /\.log$/ {
      if (match($0, /Compiling entry function .[A-Za-z0-9_]+/)) {
        name = substr($0, RSTART, RLENGTH)
        sub(/.*./, "", name)
        name = $0
        gsub(/.*entry function .|. for .*/, "", name)
      }
      if ($0 ~ /bytes stack frame/ && !(name in stack)) { stack[name] = $1; spills[name] = $5 + $9 }
      if (match($0, /Used [0-9]+ registers/)) registers[name] = substr($0, RSTART + 5, RLENGTH - 15)
      next
    }
    /\.section[ \t]+\.text\./ { name = $2; sub(/^\.text\./, "", name); sub(/,.*/, "", name); order[++n] = name }
    /^[ \t]*\/\*[0-9a-f]+\*\// {
      all[name]++
      if (/ LDG[.A-Z0-9_]*128/) wide_in[name]++
      else if (/ STG[.A-Z0-9_]*128/) wide_out[name]++
      else if (/ (LDG|STG)\./) narrow[name]++
      if (/ BAR\.SYNC/) barriers[name]++
      if (/ (LDL|STL)/) local[name]++
    }
    END {
      for (i = 1; i <= n; ++i) {
        k = order[i]
        printf "%s registers=%d memory=%d loads=%d stores=%d narrow=%d barriers=%d instructions=%d\n", k, registers[k],
               stack[k] + spills[k] + local[k], wide_in[k], wide_out[k], narrow[k], barriers[k], all[k]
      }
    }' "$out.log" "$out.sass" >"$out.kernels"
}

# amd ARCH SOURCE OPTIONS OUT: clang, with AMD's library of builtins for gfx90a, and libclc's for what that doesn't know.
amd() {
  arch=$1 source=$2 options=$3 out=$4
  case $arch in
    gfx90a) library="--rocm-device-lib-path=$lib/amdgcn/bitcode -mcode-object-version=5" wave=64 ;;
    *) library="-nogpulib -D__OPENCL_VERSION__=120 -Xclang -mlink-builtin-bitcode -Xclang $root/lib/clc/tahiti-amdgcn-mesa-mesa3d.bc" wave=32 ;;
  esac
  # shellcheck disable=SC2086  # options
  LD_LIBRARY_PATH=$lib "$root/lib/llvm-19/bin/clang" -x cl -cl-std=CL1.2 -target amdgcn-amd-amdhsa -mcpu="$arch" -O3 -Xclang \
    -finclude-default-header -cl-denorms-are-zero $library -Rpass-analysis=kernel-resource-usage $options \
    -DCLLOSS_SHUFFLE_AMD -DCLLOSS_WARP=$wave -S "$source" -o "$out.s" 2>"$out.log" || { grep -v remark "$out.log" | head -5; return 1; }
  awk '
    FILENAME ~ /\.log$/ {
      if (match($0, /Function Name: [A-Za-z0-9_]+/)) name = substr($0, RSTART + 15, RLENGTH - 15)
      if (match($0, / VGPRs: [0-9]+/)) registers[name] = substr($0, RSTART + 8, RLENGTH - 8)
      if (match($0, /ScratchSize \[bytes\/lane\]: [0-9]+/)) { v = substr($0, RSTART, RLENGTH); sub(/.*: /, "", v); scratch[name] = v }
      if (match($0, /[SV]GPRs Spill: [0-9]+/)) { v = substr($0, RSTART, RLENGTH); sub(/.*: /, "", v); spills[name] += v }
      next
    }
    /^[A-Za-z_][A-Za-z0-9_]*:/ { name = $1; sub(/:.*/, "", name); if (name in registers) order[++n] = name }
    /^\t[sv]_|^\t(global|flat|ds|scratch|buffer)_/ {
      all[name]++
      if (/global_load_(dwordx4|b128)/) wide_in[name]++
      else if (/global_store_(dwordx4|b128)/) wide_out[name]++
      else if (/(global|flat)_(load|store)/) narrow[name]++
      if (/s_barrier/) barriers[name]++
    }
    END {
      for (i = 1; i <= n; ++i) {
        k = order[i]
        printf "%s registers=%d memory=%d loads=%d stores=%d narrow=%d barriers=%d instructions=%d\n", k, registers[k],
               scratch[k] + spills[k], wide_in[k], wide_out[k], narrow[k], barriers[k], all[k]
      }
    }' "$out.log" "$out.s" >"$out.kernels"
}

# intel DEVICE SOURCE OPTIONS OUT: ocloc. `registers` is how many work-items go together, less of which means that too many
# registers were needed; `narrow` counts what is gathered byte by byte.
intel() {
  rm -rf "$out.dump"
  mkdir -p "$out.dump"
  flatten "$2" >"$out.cl"
  (cd "$out.dump" && IGC_ShaderDumpEnable=1 IGC_DumpToCustomDir="$4.dump" LD_LIBRARY_PATH=$lib timeout 300 "$root/bin/ocloc" \
    compile -file "$4.cl" -device "$1" -out_dir "$4.dump" -options \
    "-cl-std=CL1.2 -cl-denorms-are-zero $3 -DCLLOSS_SHUFFLE_INTEL -DCLLOSS_WARP=16") >"$4.log" 2>&1 || { tail -5 "$4.log" && return 1; }
  # a kernel that spills is compiled once more, and what that gives is taken
  for number in $(ls "$4".dump/*_entry_*.asm | sed 's/.*_entry_//; s/\.asm//' | sort -u); do
    asm=$(ls "$4".dump/*_[0-9]_simd*_entry_"$number".asm 2>/dev/null || ls "$4".dump/*_entry_"$number".asm)
    awk -v file="$asm" '
      BEGIN { simd = file; sub(/.*_simd/, "", simd); sub(/_.*/, "", simd) }
      /^\/\/\.kernel / { name = $2; gsub(/"/, "", name) }
      /^\/\/\.spill size/ { spill = $3 }
      /^\/\/\.instCount/ { all = $2 }
      /byte (gathering|scattering)/ { narrow++ }
      / barrier/ { barriers++ }
      END { printf "%s registers=%d memory=%d loads=0 stores=0 narrow=%d barriers=%d instructions=%d\n", name, simd, spill, narrow, barriers, all }' "$asm"
  done >"$4.kernels"
}

# ---- all builds of the table, two at a time

grep -v '^#' "$table" | awk '
  function put(field, line,    all, n, i) {
    if (field > 6 || field > NF) { print line rest; return }
    n = split($field, all, ",")
    for (i = 1; i <= n; ++i) put(field + 1, line (field > 1 ? " " : "") all[i])
  }
  NF { rest = ""; for (f = 7; f <= NF; ++f) rest = rest " " $f; put(1, "") }' >"$work/table"
awk '{ print $1, $2, $3, $4, $5 }' "$work/table" | sort -u >"$work/builds"
total=$(wc -l <"$work/builds")
[ "$total" -gt 0 ] || { echo "gpu_static: $table has no builds" && exit 1; }
build() {
  vendor=$1 arch=$2 source=$3 types=$4 shape=$5
  out=$work/$(echo "$1.$2.$(basename "$3" .cl).$4.$5" | tr : _)
  [ ! -f "$out.kernels" ] || rm -f "$out.kernels"
  case $vendor in intel) path=$source ;; *) path=$source_dir/kernels/$source ;; esac
  "$vendor" "$arch" "$path" "$(options_of "$types" "$shape")" "$out" >"$out.errors" 2>&1 || rm -f "$out.kernels"
}
running=0
while read -r line; do
  # shellcheck disable=SC2086  # a line of words
  build $line &
  running=$((running + 1))
  [ ! -t 2 ] || printf '\rcompiling %d of %d ' "$running" "$total" >&2
  [ $((running % ${JOBS:-2})) != 0 ] || wait
done <"$work/builds"
wait
[ ! -t 2 ] || printf '\r%40s\r' '' >&2

failed=0
: >"$work/report"
while read -r vendor arch source types shape; do
  out=$work/$(echo "$vendor.$arch.$(basename "$source" .cl).$types.$shape" | tr : _)
  if [ ! -s "$out.kernels" ]; then
    echo "gpu_static: $vendor $arch doesn't compile $source, $types, $shape:"
    head -n 5 "$out.errors"
    failed=1
    continue
  fi
  awk -v build="$vendor $arch $source $types $shape" '{ print build, $0 }' "$out.kernels"
done <"$work/builds" >"$work/measured"
grep -q "doesn't compile" "$work/measured" && { grep -A5 "doesn't compile" "$work/measured"; failed=1; }

status=0
awk -v failed=$failed '
  function fail(text) { print "gpu_static: " text; failed = 1 }
  # what eight vectors take beyond four, for each of the sixteen elements between
  function per_element(key, kernel,    four) {
    four = key
    if (!sub(/:8$/, ":4", four) && !sub(/:8:options$/, ":4:options", four)) fail(key ": per_element is of eight vectors beside four")
    return (value[key, kernel, "instructions"] - value[four, kernel, "instructions"]) / 16
  }
  FILENAME ~ /measured$/ {
    key = $1 " " $2 " " $3 " " $4 " " $5
    for (i = 7; i <= NF; ++i) { split($i, pair, "="); value[key, $6, pair[1]] = pair[2] }
    known[key, $6] = 1
    order[++kernels] = key SUBSEP $6
    # kernels of a source that are compiled for the same types and form
    form = $5 ~ /:/ ? substr($5, 1, 1) ($5 ~ /:options$/ ? " options" : "") : "walked"
    family = $3 " " ($4 ~ /:/ ? "with t" : "") " " form
    if (!(family in first)) first[family] = key
    if (first[family] == key) expected[family, $6] = 1
    else if (!expected[family, $6]) fail(key ": has " $6 ", which " first[family] " hasn" "\047" "t")
    if (!(key in of_family)) { of_family[key] = family; builds[++n_builds] = key }
    made[key]++
    if (value[key, $6, "registers"] < 1 || value[key, $6, "instructions"] < 20)
      fail(key ": " $6 ": nothing is measured: registers " value[key, $6, "registers"] ", instructions " value[key, $6, "instructions"])
    next
  }
  NF == 5 { next }
  {
    key = $1 " " $2 " " $3 " " $4 " " $5
    if ($6 == "*") { # all kernels of the build that have no line may have so much
      split($7, pair, "<=")
      any_of[key] = pair[2]
      anys[++n_anys] = key
      next
    }
    if (!known[key, $6]) { fail(key ": there is no kernel " $6); next }
    listed[key, $6] = 1
    text = sprintf("%-7s %-8s %-26s %-9s %-14s %-34s", $1, $2, $3, $4, $5, $6)
    for (i = 7; i <= NF; ++i) {
      op = $i ~ /<=/ ? "<=" : $i ~ />=/ ? ">=" : "="
      at = index($i, op)
      what = substr($i, 1, at - 1)
      bound = substr($i, at + length(op))
      seen = what == "per_element" ? per_element(key, $6) : value[key, $6, what]
      if (what != "per_element" && !((key, $6, what) in value)) fail(key ": what is " what "?")
      if (what == "memory") {
        excepted[key, $6] = 1
        if (seen == 0) fail(key ": " $6 " is excepted, and has no memory of its own")
      }
      if (op == "<=" ? seen + 0 > bound + 0 : op == ">=" ? seen + 0 < bound + 0 : seen + 0 != bound + 0)
        fail(key ": " $6 ": " what " is " seen ", not " op " " bound)
      text = text sprintf(" %s %s (%s%s)", what, seen, op, bound)
    }
    print text >report
    lines++
  }
  END {
    for (i = 1; i <= n_builds; ++i)
      if (made[builds[i]] != made[first[of_family[builds[i]]]])
        fail(builds[i] ": " made[builds[i]] " kernels, and " made[first[of_family[builds[i]]]] " of " first[of_family[builds[i]]])
    for (i = 1; i <= kernels; ++i) {
      split(order[i], of, SUBSEP)
      clean += value[of[1], of[2], "memory"] == 0
      seen = value[of[1], of[2], "memory"]
      if (seen > most[of[1]]) most[of[1]] = seen
      if (seen > 0 && !excepted[of[1], of[2]] && (listed[of[1], of[2]] || seen > any_of[of[1]] + 0))
        fail(of[1] ": " of[2] " has memory of its own: " value[of[1], of[2], "memory"] " bytes of stack, spills and accesses")
    }
    for (i = 1; i <= n_anys; ++i) {
      if (!most[anys[i]]) fail(anys[i] ": is excepted, and has no memory of its own")
      split(anys[i], word, " ")
      printf "%-7s %-8s %-26s %-9s %-14s %-34s memory %s (<=%s)\n", word[1], word[2], word[3], word[4], word[5], "*", most[anys[i]],
             any_of[anys[i]] >report
    }
    total = sprintf("%d of %d kernels have no stack, no spills and no memory of their own; %d lines of bounds", clean, kernels, lines)
    print total
    print total >report
    exit failed
  }
' report="$work/report" "$work/measured" "$work/table" || status=$?
[ -z "$report" ] || cp "$work/report" "$report"
kept=$source_dir/docs/benchmarks/gpu-static.txt
cmp -s "$work/report" "$kept" || echo "gpu_static: $kept isn't what was measured; the report is ${report:-$work/report}"
exit $status
