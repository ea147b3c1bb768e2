#!/bin/sh
# The benchmark's behaviour, never its figures: keys of the JSON and their order, sound values, the table, the exit
# statuses, and messages that name the option. Usage: test_bench.sh CLLOSS
set -eu
clloss=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
  echo "bench: $1"
  failed=1
}

tiny='--rows 7 --classes 1,10,300 --reps 3'

# shellcheck disable=SC2086
"$clloss" bench $tiny --json >"$work/json" 2>"$work/err" || fail "--json: exit status $?: $(cat "$work/err")"
[ "$(wc -l <"$work/json")" -eq 42 ] ||
  fail "--json: 12 cases at 3 V, 5 at the first and 1 at the last are 42 lines, not $(wc -l <"$work/json")"
keys='case rows classes dtype inplace ms ms_min gbps scale_ms copy_ms read_ms of_limit ref_ms speedup max_err device plan'
number='[0-9.][0-9.e+-]*'
line='^\{"case": "(xent_(fused|forward|backward|fused_options|fused_probabilities|fused_certain|fused_labels|divisor)|cast_(bf16|f16)|(mse|bce_logits|distill)_fused)", "rows": 7, "classes": (1|10|300)'
line="$line, \"dtype\": \"(f32|bf16|f16)\", \"inplace\": (true|false)"
for key in ms ms_min gbps scale_ms copy_ms read_ms of_limit ref_ms speedup max_err; do line="$line, \"$key\": $number"; done
line="$line, \"device\": \"[^\"]+\", \"plan\": \"([a-z_]+/[0-9]+×[0-9]+(/[0-9]+)?)?\", .*\"failed\": null}\$"
while read -r object; do
  found=$(echo "$object" | grep -oE '"[a-z_0-9]+": ' | head -17 | tr -d '":' | tr -s ' \n' ' ' | sed 's/ $//')
  [ "$found" = "$keys" ] || fail "the keys are '$found', not '$keys'"
  echo "$object" | grep -qE "$line" || fail "not as it should be: $object"
done <"$work/json"
[ "$(grep -c '"inplace": true' "$work/json")" -eq 21 ] || fail 'seven cases per V are in place'
for dtype in f32:30 bf16:9 f16:3; do
  [ "$(grep -c "\"dtype\": \"${dtype%:*}\"" "$work/json")" -eq "${dtype#*:}" ] || fail "how many cases are of ${dtype%:*}?"
done
# Of each V the six that vary the plain one are timed beside it; a fused call is a few kernels, and the wait for it is longer
# than the call; nobody asked for peers.
[ "$(grep -c "\"over_plain\": $number," "$work/json")" -eq 18 ] || fail 'six cases per V have a ratio to the plain one'
[ "$(grep -cE "\"call_us\": -?$number,.*\"kernels\": [1-4]," "$work/json")" -eq 42 ] || fail 'calls or kernels not counted'
[ "$(grep -c '"c_loop_ms": null,.*"c_loop_failed": null,.*"torch_compiled_ms": null,.*"torch": ""' "$work/json")" -eq 42 ] ||
  fail 'peers that nobody asked for'
# Triad is the floor of those that read two tensors, and timed beside no other; elementwise losses tell no plan.
[ "$(grep -cE "^.\"case\": \"(mse|bce_logits|distill)_fused\",.* \"inplace\": false,.*\"triad_ms\": $number,.*\"triad_by\": \"[a-zO]" "$work/json")" -eq 3 ] ||
  fail 'three cases have a triad'
[ "$(grep -cE '^."case": "xent_.*"triad_ms": null,.*"triad_by": ""' "$work/json")" -eq 37 ] || fail 'a triad that is no floor'
[ "$(grep -cE '"case": "(mse|bce_logits)_fused",.* "classes": 1,.*"plan": "",' "$work/json")" -eq 2 ] ||
  fail 'elementwise losses are timed at the first V, without a plan'

# Yardsticks of the other form work here too, and the families can be asked for.
for form in lane group; do
  "$clloss" bench --rows 5 --classes 1000 --reps 2 --case place --yardstick $form --family $form --json \
    >"$work/json" 2>"$work/err" ||
    fail "--yardstick $form --family $form: exit status $?: $(cat "$work/err")"
  [ "$(grep -c "\"plan\": \"$form.*\"scale_by\": \"$form kernel\"" "$work/json")" -eq 2 ] ||
    fail "--family $form --yardstick $form ran something else: $(cat "$work/json")"
  "$clloss" bench --rows 5 --classes 1000 --reps 2 --case distill --yardstick $form --family $form --json \
    >"$work/json" 2>"$work/err" || fail "distill --yardstick $form: exit status $?: $(cat "$work/err")"
  [ "$(grep -c "\"plan\": \"$form.*\"triad_by\": \"$form kernel" "$work/json")" -eq 1 ] ||
    fail "distill --yardstick $form ran something else: $(cat "$work/json")"
done

"$clloss" bench --size-mb 1 --classes 10 --reps 2 --case fused >"$work/table" 2>"$work/err" ||
  fail "the table: exit status $?"
[ "$(grep -cE '^fused( in place)? +26214 × 10 ' "$work/table")" -eq 2 ] || fail "the table: $(cat "$work/table")"
[ "$(grep -cE '^(options|probabilities|fused) in place(, b?f16)? +26214 × 10 ' "$work/table")" -eq 5 ] ||
  fail "the table: $(cat "$work/table")"
[ "$(grep -cE '^  (in place / scale|options / plain|probabilities / plain) +26214 × 10 +[0-9.]+ +[0-9.]+ … [0-9.]+ +≤ [0-9.]+  (met|missed)' \
  "$work/table")" -eq 3 ] || fail "the table has not its three targets: $(cat "$work/table")"
grep -q '^device   .' "$work/table" || fail 'the table names no device'
grep -q '26214 × 10  *scale .* ms (.*), copy .* ms (.*), read .* ms (.*), exp in L1 [0-9.]* ms' "$work/table" || fail 'the table has no yardsticks'
"$clloss" bench --rows 40 --classes 25 --reps 2 --case mse >"$work/table" 2>"$work/err" || fail "mse: exit status $?"
grep -qE '^MSE +40 × 25 ' "$work/table" || fail "mse: $(cat "$work/table")"
grep -qE '  40 × 25 .*, triad [0-9.]* ms \(.*\)$' "$work/table" || fail "mse has no triad: $(cat "$work/table")"
grep -qE '^  MSE / triad +40 × 25 +[0-9.]+ +[0-9.]+ … [0-9.]+ +≤ 1.30  (met|missed)' "$work/table" ||
  fail "mse has no target: $(cat "$work/table")"
if grep -q "$(printf '\033')" "$work/table" "$work/err"; then fail 'escape sequences in a pipe'; fi

# What can't be printed is a failure.
if [ -c /dev/full ]; then
  for options in --help --list --first-result '--rows 3 --classes 5 --reps 2 --case backward'; do
    rc=0
    # shellcheck disable=SC2086
    "$clloss" bench $options >/dev/full 2>"$work/err" || rc=$?
    { [ $rc -eq 1 ] && grep -q '^clloss bench: standard output: ' "$work/err"; } ||
      fail "a full stdout, $options: exit status $rc: $(cat "$work/err")"
  done
fi

"$clloss" bench --list >"$work/list" || fail "--list: exit status $?"
[ "$(wc -l <"$work/list")" -eq 19 ] || fail "--list: $(cat "$work/list")"
"$clloss" bench --help >"$work/help" || fail "--help: exit status $?"
for option in $(grep -oE '^  --[a-z-]+' "$work/help"); do
  case $option in --quick | --peers | --json | --first-result | --list | --help) continue ;; esac
  "$clloss" bench "$option" >"$work/out" 2>"$work/err" && fail "$option without a value was taken"
  grep -q -- "$option: needs a value" "$work/err" || fail "$option is in --help and unknown: $(cat "$work/err")"
done

# refused TEXT OPTION…: exit 2, nothing on stdout, one line on stderr that holds TEXT.
refused() {
  text=$1
  shift
  rc=0
  "$clloss" bench "$@" >"$work/out" 2>"$work/err" || rc=$?
  [ $rc -eq 2 ] || fail "$*: exit status $rc, not 2"
  [ ! -s "$work/out" ] || fail "$*: output on stdout"
  [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$*: not one line: $(cat "$work/err")"
  grep -q -- "$text" "$work/err" || fail "$*: '$text' isn't in: $(cat "$work/err")"
}
refused '--nonsense: unknown option' --nonsense
refused '--reps' --reps 0
refused '--reps' --reps 5x
refused '--reps' --reps=-3
refused '--rows' --rows 0
refused '--classes' --classes 10,,20
refused '--classes' --classes 0
refused '--size-mb' --size-mb 99999999999999999999
refused '--family' --family tile
refused '--yardstick' --yardstick ruler
refused '--case' --case nothing-like-this
refused '--python' --python=
refused '--report' --report=
refused '--device: there is no device 777' --device 777
refused 'stray: unexpected argument' stray

# A report that has nowhere to go is refused before anything is timed.
rc=0
"$clloss" bench --report /dev/null/report >"$work/out" 2>"$work/err" || rc=$?
{ [ $rc -eq 1 ] && [ ! -s "$work/out" ] && grep -q -- '--report /dev/null/report: Not a directory' "$work/err"; } ||
  fail "a report below a file: exit status $rc: $(cat "$work/err")"

# No platform is a failure, not bad usage.
mkdir "$work/none"
rc=0
OCL_ICD_VENDORS="$work/none" "$clloss" bench --rows 1 --classes 2 >"$work/out" 2>"$work/err" || rc=$?
{ [ $rc -eq 1 ] && [ "$(wc -l <"$work/err")" -eq 1 ]; } || fail "no platform: exit status $rc: $(cat "$work/err")"

# What doesn't check clean isn't timed. PoCL takes macros from its environment: this one breaks the library's kernels and
# leaves the yardsticks alone.
broken='-Dexp_neg=3'
rc=0
# shellcheck disable=SC2086
POCL_EXTRA_BUILD_FLAGS=$broken "$clloss" bench $tiny --case backward --json >"$work/json" 2>"$work/err" || rc=$?
if grep -q 'Portable Computing Language' "$work/json"; then
  [ $rc -eq 1 ] || fail "kernels that don't build: exit status $rc, not 1"
  [ "$(grep -c '"ms": null.*"speedup": null.*"failed": "[^"]*CL_BUILD_PROGRAM_FAILURE' "$work/json")" -eq 6 ] ||
    fail "kernels that don't build: $(cat "$work/json")"
  grep -q '^clloss bench: 6 of 6 cases failed; xent_backward of 7 rows of 1 classes: .*CL_BUILD_PROGRAM_FAILURE' "$work/err" ||
    fail "kernels that don't build: $(cat "$work/err")"
  # shellcheck disable=SC2086
  POCL_EXTRA_BUILD_FLAGS=$broken "$clloss" bench $tiny --case backward >"$work/table" 2>"$work/err" || true
  [ "$(grep -c '^backward.* FAILED: ' "$work/table")" -eq 6 ] || fail "kernels that don't build: $(cat "$work/table")"
fi

# From nothing to the first result, in this process and in new ones.
"$clloss" bench --first-result >"$work/out" 2>"$work/err" || fail "--first-result: exit status $?: $(cat "$work/err")"
grep -qE '^[0-9]+[.][0-9]+$' "$work/out" || fail "--first-result: $(cat "$work/out")"
if [ -e /proc/self/exe ]; then
  "$clloss" bench --case first_result --reps 1 --json >"$work/json" 2>"$work/err" || fail "first_result: exit status $?"
  [ "$(grep -cE "^.\"case\": \"first_result_(cold|warm)\", .*\"ms\": $number,.*\"failed\": null}\$" "$work/json")" -eq 2 ] ||
    fail "first_result: $(cat "$work/json")"
fi

# Peers. Those of this build are timed, wherever Python stands; a Python that isn't there, has no torch, says something
# else or computes something else is named, and nothing else changes.
python() {
  printf '#!/bin/sh\n%s\n' "$1" >"$work/python"
  chmod +x "$work/python"
}
# peers WHY: the last four lines of the fused case have figures of the peers that are built in, and none of PyTorch's.
peers() {
  "$clloss" bench --peers --python "$work/python" --rows 3 --classes 5,300 --reps 2 --case xent_fused_inplace --json \
    >"$work/json" 2>"$work/err" || fail "$1: exit status $?: $(cat "$work/err")"
  [ "$(grep -cE "\"opencl_naive_speedup\": $number,.*\"torch_eager_ms\": null,.*\"torch_eager_failed\": \"[^\"]*$1" "$work/json")" -eq 2 ] ||
    fail "$1: $(cat "$work/json")"
  grep -qE '"openmp_threads": 0' "$work/json" || [ "$(grep -cE "\"c_loop_speedup\": $number" "$work/json")" -eq 2 ] ||
    fail "$1: the C loop isn't timed: $(cat "$work/json")"
}
peers 'No such file'
grep -q 'going on without PyTorch eager: .*No such file' "$work/err" || fail "no Python: $(cat "$work/err")"
python 'exit 0'
peers 'has ended'
python 'read -r question; echo "error ModuleNotFoundError: No module named torch"'
peers 'No module named torch'
python 'read -r question; echo nonsense'
peers 'not an answer'
python 'while read -r question; do case $question in hello) echo ok none;; open*) echo ok;; *) echo ok 1.5;; esac; done'
peers "its gradient isn.t the reference.s: 0 at row 0"
# Elementwise losses: PyTorch is asked for by its own names, and what it says is checked; here the gradient is 0.
for loss in mse:mse_loss bce-logits:binary_cross_entropy_with_logits; do
  python "while read -r question; do case \$question in hello) echo ok none;; 'open ${loss#*:} 3 5 1 f32 '*) echo ok;; check*) echo ok 1.5;; *) echo error \$question;; esac; done"
  "$clloss" bench --peers --python "$work/python" --rows 3 --classes 5 --reps 2 --case "${loss%:*}" --json \
    >"$work/json" 2>"$work/err" || fail "$loss: $(cat "$work/err")"
  grep -q '"c_loop_ms": null,.*"c_loop_failed": null,.*"torch_eager_failed": "its gradient isn.t the reference.s: 0 at row 0' \
    "$work/json" || fail "$loss: $(cat "$work/json")"
done

if command -v gnuplot >/dev/null 2>&1; then
  "$clloss" bench --rows 3 --classes 5,9 --reps 2 --plot "$work/p.svg" >"$work/out" 2>"$work/err" ||
    fail "--plot: exit status $?: $(cat "$work/err")"
  grep -q '</svg>' "$work/p.svg" || fail '--plot drew nothing'
  "$clloss" bench --rows 3 --classes 5,9 --reps 2 --report "$work/report" >"$work/out" 2>"$work/err" ||
    fail "--report: exit status $?: $(cat "$work/err")"
  for plot in roofline classes; do grep -q '</svg>' "$work/report/$plot.svg" || fail "--report drew no $plot"; done
  [ ! -e "$work/report/rows.svg" ] || fail '--report drew rows of nothing'
  [ "$(wc -l <"$work/report/results.jsonl")" -eq 29 ] || fail '--report has not a line per case'
  grep -q '"command": "clloss bench --rows 3 --classes 5,9 --reps 2 --report ' "$work/report/run.json" ||
    fail "--report: $(cat "$work/report/run.json")"
  grep -qF "$(sed -n '$p' "$work/out")" "$work/report/table.txt" || fail "--report: the table isn't the terminal's"
  # A plot of one V, and of a single case: gnuplot 5.4 dies of labels that have no place.
  for cases in xent_f forward; do
    "$clloss" bench --rows 3 --classes 5 --reps 2 --case $cases --plot "$work/one.svg" >"$work/out" 2>"$work/err" ||
      fail "--plot of one V, $cases: exit status $?: $(cat "$work/err")"
    grep -q '</svg>' "$work/one.svg" || fail "--plot drew nothing of one V, $cases"
    rm -f "$work/one.svg"
  done
  # Of one V there is no curve to draw; folders are made.
  "$clloss" bench --rows 3 --classes 5 --reps 2 --report "$work/new/at/all" >"$work/out" 2>"$work/err" ||
    fail "--report of one V: exit status $?: $(cat "$work/err")"
  { [ -s "$work/new/at/all/table.txt" ] && [ ! -e "$work/new/at/all/classes.svg" ]; } ||
    fail "--report of one V: $(ls "$work/new/at/all")"

  # A plot that has nowhere to go is refused too, without an attempt that is left behind.
  mkfifo "$work/pipe.svg"
  for plot in "$work/none/at/all.svg" "$work/none" "$work/pipe.svg"; do
    rc=0
    "$clloss" bench --rows 3 --classes 5 --reps 2 --plot "$plot" >"$work/out" 2>"$work/err" || rc=$?
    { [ $rc -eq 1 ] && [ ! -s "$work/out" ] && grep -qE -- "--plot $plot: (No such|not a regular) file" "$work/err"; } ||
      fail "--plot $plot: exit status $rc: $(cat "$work/err")"
  done
  [ -p "$work/pipe.svg" ] || fail '--plot takes the place of a FIFO'
  [ "$(find "$work" -name '*.svg?*' | wc -l)" -eq 0 ] || fail "--plot leaves $(find "$work" -name '*.svg?*')"

  # The rule: plot and report appear whole or not at all, and the exit status says which.
  echo old >"$work/p.svg"
  for file in table.txt results.jsonl run.json roofline.svg classes.svg; do echo old >"$work/report/$file"; done
  # spoils_nothing WHAT FILE COMMAND…: a failure of one line that names the file; what was there is there, and nothing else.
  spoils_nothing() {
    what=$1 file=$2
    shift 2
    ls "$work" "$work/report" >"$work.before"
    rc=0
    "$@" >/dev/null 2>"$work/err" || rc=$?
    [ $rc -eq 1 ] || fail "$what: exit status $rc"
    [ "$(grep -vc 'warning: ' "$work/err")" -eq 1 ] || fail "$what: not one line: $(cat "$work/err")"
    grep -q "^clloss bench: $work/$file: " "$work/err" || fail "$what: doesn't name $file: $(cat "$work/err")"
    ls "$work" "$work/report" | cmp -s - "$work.before" || fail "$what: leaves $(ls "$work" "$work/report")"
    rm "$work.before"
    for file in p.svg report/table.txt report/results.jsonl report/run.json report/roofline.svg report/classes.svg; do
      [ "$(cat "$work/$file")" = old ] || fail "$what: $file is another"
    done
  }
  fused='bench --rows 3 --classes 5,9 --reps 2 --case xent_fused'
  # gnuplot_is HOW COMMAND…: from here on what stands for gnuplot runs these, and then neither plot nor report may appear.
  mkdir "$work/bin"
  gnuplot_is() {
    how=$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" >"$work/bin/gnuplot"
    chmod +x "$work/bin/gnuplot"
    # shellcheck disable=SC2086
    {
      spoils_nothing "$how, --plot" p.svg env "PATH=$work/bin:$PATH" "$clloss" $fused --plot "$work/p.svg"
      spoils_nothing "$how, --report" report/roofline.svg \
        env "PATH=$work/bin:$PATH" "$clloss" $fused --report "$work/report"
    }
  }
  gnuplot_is 'half a picture' 'cat >/dev/null' 'echo "<?xml?><svg><path"'
  # As on a full disk: a file may have 4096 bytes, from when it is drawn, for a driver writes programs before. gnuplot would
  # end with success.
  if command -v prlimit >/dev/null; then
    # shellcheck disable=SC2016
    gnuplot_is 'a full disk' 'trap "" XFSZ' 'prlimit --pid $PPID --fsize=4096:' 'ulimit -f 8' "exec $(command -v gnuplot)"
  fi
fi

[ $failed -eq 0 ] && echo 'bench: all as it should be'
exit $failed
