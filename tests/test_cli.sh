#!/bin/sh
# The program `clloss` to the letter of its help: what it prints, what it refuses and how, and that result files
# appear whole or not at all. The inputs are made here, byte by byte, so that broken ones can be made too. What the
# options of eval mean is test_eval.sh's.
# Usage: test_cli.sh CLLOSS
set -u
name=test_cli
clloss=$1
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
mkdir none # a folder without OpenCL platforms

# Without any OpenCL.
without_opencl() (
  OCL_ICD_VENDORS=$work/none/
  export OCL_ICD_VENDORS
  "$clloss" "$@"
)

for page in "--help" "help" "help devices" "help eval" "devices --help" "check --help" "eval --help" "--version"; do
  # shellcheck disable=SC2086
  check "$page" without_opencl $page >out
  check "$page says something" test -s out
done
check "the version is one line" test "$(without_opencl --version | grep -cE '^clloss [0-9]+\.[0-9]+\.[0-9]+$')" = 1
for option in --pos-weight --log-target --delta --gamma --alpha --clip --loss --reduction --ignore-index --grad --row-loss --upstream --device --reference --json --plot --label-smoothing --smoothing-formula \
  --weight --row-weight --z-loss --softcap --logit-scale --dtype; do
  check "help explains $option" sh -c '"$1" eval --help | grep -q -e "^  $2 "' sh "$clloss" "$option"
done

# Logits ln 1, ln 2, ln 5 have p = 1/8, 2/8, 5/8, entropy 0.900256051, and target 1 costs ln 4; two equal logits cost
# ln 2. Row 2 is ignored, row 3 has a bad target; the means are over rows 0 and 1.
nan="nan nan nan"
# shellcheck disable=SC2086
npy x.npy f4 '(4, 3)' 0 0.6931471805599453 1.6094379124341003 0 0 -inf $nan 1 2 3
npy t.npy i8 '(4,)' 1 0 -100 3
without_opencl eval --loss softmax x.npy t.npy --json --reference --ignore-index -100 --grad g.npy \
  --row-loss l.npy >out 2>err
check "the reference runs without OpenCL" test $? = 0
check "nothing on stderr" test ! -s err
check "one line of JSON" test "$(wc -l <out)" -eq 1
keys=$(sed 's/\("surprising": \).*/\1/; s/"\([a-z_0-9]*\)": /\n\1\n/g' out | grep -E "^[a-z_0-9]+\$" | tr '\n' ' ')
check "the keys and their order: $keys" test "$keys" = "loss loss_text reduction rows ignored bad_targets classes \
device perplexity bits accuracy entropy uniform_baseline normalized top5 frequency_baseline confidence \
calibration_error reading surprising "
check "NaN loss is null" test "$(field loss)" = null
check "and has its text" test "$(field loss_text)" = '"nan"'
check "reduction" test "$(field reduction)" = '"mean"'
check "rows" test "$(field rows)" = 4
check "ignored" test "$(field ignored)" = 1
check "bad_targets" test "$(field bad_targets)" = 1
check "classes" test "$(field classes)" = 3
check "device" test "$(field device)" = '"reference"'
check "perplexity" field_is 1e-6 perplexity 2.8284271247461903
check "bits" field_is 1e-6 bits 1.5
check "accuracy" field_is 0 accuracy 0.5
check "entropy" field_is 1e-6 entropy 0.79670161591
check "uniform_baseline" field_is 1e-15 uniform_baseline 1.0986122886681098
check "normalized" field_is 1e-6 normalized 0.9463946303571862
check "row losses" is 1e-6 l.npy 1.38629436 0.69314718 0 nan
# shellcheck disable=SC2086
check "gradient" is 1e-6 g.npy 0.0625 -0.375 0.3125 -0.25 0.25 0 0 0 0 $nan

softmax x.npy t.npy --reference >out 2>err
check "a report without --json" test $? = 0
check "the report names its lines" test "$(grep -cE '^(loss|perplexity|rows|device) ' out)" = 4
check "nothing else" test ! -s err

# No valid row: the mean is 0 / 0, the sum 0.
npy t.npy i4 '(4,)' -100 -100 -100 -100
softmax x.npy t.npy --reference --json --ignore-index=-100 >out
check "all ignored is a result" test $? = 0
check "all ignored: NaN" test "$(field loss_text)$(field accuracy)$(field perplexity)" = '"nan"nullnull'
softmax x.npy t.npy --reference --json --ignore-index=-100 --reduction=sum >out
check "all ignored: sum 0" test "$(field loss)$(field perplexity)" = 0null

# Where files and options stand, and the forms of a file.
npy x.npy f4 '(2, 3)' 0 0.6931471805599453 1.6094379124341003 0 0 -inf
npy t.npy i4 '(2,)' 1 0
softmax --reference --json x.npy t.npy >plain
check "sum of a mean: ln 4 + ln 2 over 2" sh -c 'cp plain out'
check "the mean" field_is 1e-6 loss 1.0397207708399179
same() {
  "$clloss" eval "$@" >out 2>err
  checks=$((checks + 1))
  cmp -s plain out || fail "differs: $*: $(cat err)"
}
same x.npy --reference t.npy --loss softmax --json
same --json --loss=softmax --reference -- x.npy t.npy
same x.npy t.npy --json --reference --reduction mean --loss softmax --ignore-index -7
cp x.npy ./-x.npy
same --json --loss softmax --reference -- -x.npy t.npy
rm ./-x.npy
npy t8.npy i8 '(2,)' 1 0
same x.npy t8.npy --json --reference --loss softmax
for version in 2 3; do
  # shellcheck disable=SC2059
  {
    header '{"shape":(2,3) ,"fortran_order" :False,"descr":"<f4"}' $version
    printf "$(octal f4 0 0.6931471805599453 1.6094379124341003 0 0 -inf)"
  } >v$version.npy
  same v$version.npy t.npy --json --reference --loss softmax
done
softmax x.npy t.npy --json --reference --reduction none >out
check "none has no reduced loss" test "$(field loss)$(field loss_text)$(field reduction)" = 'null"none"'
check "none has the mean's perplexity" test "$(field perplexity)" = "$(sed 's/.*perplexity": \([^,]*\),.*/\1/' plain)"
npy u.npy f4 '(2,)' -2 3
softmax x.npy t.npy --reference --reduction none --upstream u.npy --grad g.npy >out
check "upstream" is 1e-6 g.npy -0.25 1.5 -1.25 -1.5 1.5 0
npy x0.npy f4 '(0, 3)'
npy t0.npy i8 '(0,)'
softmax x0.npy t0.npy --reference --json --grad g0.npy --row-loss l0.npy >out
check "no rows is a result" test "$?$(field rows)$(field loss_text)" = '00"nan"'
check "no rows, no items" test "$(wc -c <g0.npy)$(wc -c <l0.npy)" = 128128
rm -f g0.npy l0.npy

# Refusals of the command line.
refused 2 "no command"
refused 2 evil evil
refused 2 more devices more
refused 2 --loss eval x.npy t.npy
refused 2 "--loss foo" eval --loss foo x.npy t.npy
refused 2 INPUT.npy eval --loss softmax
refused 2 "TARGET.npy: missing" eval --loss softmax x.npy
refused 2 "INPUT.npy: the name is empty" eval --loss softmax "" t.npy
refused 2 g.npy eval --loss softmax x.npy t.npy g.npy
refused 2 "--targets classes" eval --loss softmax x.npy t.npy --targets classes
refused 1 "t.npy: --targets probabilities" eval --loss softmax x.npy t.npy --targets probabilities
refused 2 "--targets: --loss mse" eval --loss mse x.npy x.npy --targets indices
refused 2 --jsom eval --loss softmax x.npy t.npy --jsom
refused 2 --grad eval --loss softmax x.npy t.npy --grad
refused 2 --grad eval --loss softmax x.npy t.npy --grad=
refused 2 --json eval --loss softmax x.npy t.npy --json=yes
refused 2 --grad eval --loss softmax x.npy t.npy --grad a.npy --grad b.npy
refused 2 "--reduction batchmean" eval --loss softmax x.npy t.npy --reduction batchmean
refused 2 "--ignore-index 1.5" eval --loss softmax x.npy t.npy --ignore-index 1.5
refused 2 "--ignore-index" eval --loss softmax x.npy t.npy --ignore-index 9223372036854775808
refused 2 "--device -1" eval --loss softmax x.npy t.npy --device -1
refused 2 "--device x" eval --loss softmax x.npy t.npy --device x
refused 2 --device eval --loss softmax x.npy t.npy --device 0 --reference
refused 2 --upstream eval --loss softmax x.npy t.npy --upstream u.npy --reference
for option in "--label-smoothing 1.5" "--label-smoothing -0.1" "--label-smoothing x" "--z-loss -1" "--z-loss inf" \
  "--softcap nan" "--softcap -3" "--logit-scale 0" "--logit-scale 1e999" "--logit-scale 1x" "--dtype f8" \
  "--smoothing-formula keras"; do
  # shellcheck disable=SC2086
  refused 2 "$option" eval --loss softmax x.npy t.npy $option
done
refused 1 "--device 99" eval --loss softmax x.npy t.npy --device 99
for option in "--pos-weight w.npy" "--log-target" "--delta 1" "--gamma 1" "--alpha 1" "--clip 0"; do
  # shellcheck disable=SC2086
  refused 2 "${option%%[ =]*}: --loss softmax doesn't take it" eval --loss softmax x.npy t.npy $option
done
for option in "--label-smoothing 0.1" "--z-loss 1" "--softcap 1" "--logit-scale 2" "--plot a.svg"; do
  # shellcheck disable=SC2086
  refused 2 "${option%% *}: --loss nll doesn't take it" eval --loss nll x.npy t.npy $option
  # shellcheck disable=SC2086
  refused 2 "${option%% *}: --loss mse doesn't take it" eval --loss mse x.npy t.npy $option
done
refused 2 "--row-weight: --loss mse doesn't take it" eval --loss mse x.npy x.npy --row-weight w.npy
refused 2 x.npy eval --loss softmax x.npy t.npy --reference --grad ./x.npy
refused 2 t.npy eval --loss softmax x.npy t.npy --reference --row-loss "$work/t.npy"
refused 2 u.npy eval --loss softmax x.npy t.npy --reference --reduction none --upstream u.npy --grad u.npy
refused 2 new.npy eval --loss softmax x.npy t.npy --reference --grad new.npy --row-loss ./new.npy
OCL_ICD_VENDORS=$work/none/
export OCL_ICD_VENDORS
refused 1 "no OpenCL device" eval --loss softmax x.npy t.npy --grad g2.npy
refused 1 "no OpenCL device" devices
unset OCL_ICD_VENDORS

# Refusals of files: with outputs asked for, of which one exists.
echo old >old.npy
# bad_file FILE REASON ARGUMENT…
bad_file() {
  culprit=$1 reason=$2
  shift 2
  refused 1 "clloss eval: $culprit: " eval --loss softmax "$@" --reference --grad g2.npy --row-loss old.npy
  check "$culprit: not because of '$reason': $(cat err)" grep -qF -e "$reason" err
  check "the old file is still there: $culprit" contents old.npy old
}
bad_input() { bad_file "$1" "$2" "$1" t.npy; }

bad_file missing.npy "No such file" missing.npy t.npy
bad_file missing.npy "No such file" x.npy missing.npy
# An input is a regular file, or refused at once: opening a FIFO waits for whoever writes into it, and a device may never end.
mkfifo pipe.npy
ln -s nowhere.npy dangling.npy
limited=$clloss
printf '#!/bin/sh\nexec timeout 20 "%s" "$@"\n' "$limited" >limited
chmod +x limited
clloss=./limited
for place in "FILE t.npy" "x.npy FILE" "x.npy t.npy --weight FILE" "x.npy t.npy --row-weight FILE" \
  "x.npy t.npy --reduction none --upstream FILE"; do
  for file in none pipe.npy /dev/zero dangling.npy; do
    [ $file != /dev/zero ] || [ -c $file ] || continue
    reason="not a regular file"
    [ $file != dangling.npy ] || reason="No such file"
    # shellcheck disable=SC2046
    bad_file $file "$reason" $(echo "$place" | sed "s|FILE|$file|")
  done
done
clloss=$limited
rm pipe.npy dangling.npy limited
: >empty.npy
bad_input empty.npy "ends too early"
head -c 5 x.npy >short5.npy
bad_input short5.npy "ends too early"
head -c 60 x.npy >short60.npy
bad_input short60.npy "ends too early"
head -c 151 x.npy >short151.npy
bad_input short151.npy "23 bytes of items, where shape (2, 3) of '<f4' has 24"
cp x.npy long.npy
printf x >>long.npy
bad_input long.npy "25 bytes of items, where shape (2, 3) of '<f4' has 24"
printf 'PK\003\004 this is an archive of arrays' >archive.npz
bad_input archive.npz "not a .npy file"
header "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }" 4 >v4.npy
bad_input v4.npy "version 4.0"
printf '\223NUMPY\002\000\377\377\377\377{}' >huge.npy
bad_input huge.npy "header is longer"
# dict NAME REASON TEXT: a file whose header is TEXT, with 24 bytes of items.
dict() {
  {
    header "$3"
    printf '%24s' ''
  } >"$1"
  bad_input "$1" "$2"
}
order="'fortran_order': False"
dict wide8.npy "'<u8'" "{'descr': '<u8', $order, 'shape': (1, 3), }"
dict bool.npy "'|b1'" "{'descr': '|b1', $order, 'shape': (8, 3), }"
dict big.npy "'>f4'" "{'descr': '>f4', $order, 'shape': (2, 3), }"
dict object.npy "'|O'" "{'descr': '|O', $order, 'shape': (3,), }"
dict ints.npy "aren't reals" "{'descr': '<i4', $order, 'shape': (2, 3), }"
dict fortran.npy "Fortran order" "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"
dict maybe.npy "neither True nor False" "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3), }"
dict struct.npy "structs" "{'descr': [('a', '<f4')], $order, 'shape': (2, 3), }"
dict flat.npy "shape (6,), not (rows, classes)" "{'descr': '<f4', $order, 'shape': (6,), }"
dict scalar.npy "24 bytes of items, where shape ()" "{'descr': '<f4', $order, 'shape': (), }"
dict notuple.npy "isn't a tuple" "{'descr': '<f4', $order, 'shape': (6), }"
dict nocomma.npy "isn't a tuple" "{'descr': '<f4', $order, 'shape': (2 3), }"
dict negative.npy "isn't a tuple" "{'descr': '<f4', $order, 'shape': (2, -3), }"
dict wide.npy "shape overflows" "{'descr': '<f4', $order, 'shape': (4294967296, 4294967296), }"
dict wider.npy "shape overflows" "{'descr': '<f4', $order, 'shape': (99999999999999999999, 3), }"
dict three.npy "24 bytes of items, where" "{'descr': '<f4', $order, 'shape': (3, 3), }"
dict nokey.npy "lacks" "{'descr': '<f4', 'shape': (2, 3), }"
dict twice.npy "repeated key" "{'descr': '<f4', 'descr': '<f4', $order, 'shape': (2, 3), }"
dict other.npy "unknown" "{'descr': '<f4', $order, 'shape': (2, 3), 'more': 1}"
dict after.npy "after its dict" "{'descr': '<f4', $order, 'shape': (2, 3), } more"
dict open.npy "string is missing" "{'descr': '<f4', $order, 'shape': (2, 3),"
dict nobrace.npy "isn't a dict" "{'descr': '<f4', $order 'shape': (2, 3), }"
dict quote.npy "endless string" "{'descr': '<f4"
dict list.npy "isn't a dict" "['descr']"
npy noclass.npy f4 '(2, 0)'
bad_input noclass.npy "zero classes"
npy t3.npy i4 '(3,)' 0 1 2
bad_file t3.npy "shape (3,), not (2,), for x.npy" x.npy t3.npy
npy t21.npy i4 '(2, 1)' 0 1
bad_file t21.npy "shape (2, 1), not (2,)" x.npy t21.npy
npy tf.npy f4 '(2,)' 0 1
bad_file tf.npy "shape (2,), not (2, 3)" x.npy tf.npy
npy deep.npy f4 '(2, 3, 1)' 0 1 2 3 4 5
bad_file t.npy "shape (2,), not (2, 1)" deep.npy t.npy
npy u3.npy f4 '(3,)' 0 1 2
for option in "--reduction none --upstream" --row-weight; do
  # shellcheck disable=SC2086
  bad_file u3.npy "shape (3,), not (2,)" x.npy t.npy $option u3.npy
  # shellcheck disable=SC2086
  bad_file t.npy "not reals" x.npy t.npy $option t.npy
done
bad_file u.npy "shape (2,), not (3,)" x.npy t.npy --weight u.npy
bad_file missing.npy "No such file" x.npy t.npy --weight missing.npy
npy p.npy f4 '(2, 3)' 1 0 0 0 1 0
refused 2 "--ignore-index: p.npy" eval --loss softmax x.npy p.npy --ignore-index 1
npy one.npy f4 '(2, 1)' 0 1
refused 2 "--smoothing-formula megatron: one.npy" eval --loss softmax one.npy t.npy --smoothing-formula megatron \
  --label-smoothing 0.1
npy w.npy f4 '(3,)' 1 2 3
refused 2 "--grad w.npy" eval --loss softmax x.npy t.npy --weight w.npy --grad w.npy

# Outputs that can't be written.
cannot_write() {
  culprit=$1
  shift
  refused 1 "$culprit" eval --loss softmax x.npy t.npy --reference "$@"
  check "the old file is still there: $culprit" contents old.npy old
}
cannot_write no/such/g.npy --grad no/such/g.npy --row-loss old.npy
cannot_write no/such/l.npy --grad old.npy --row-loss no/such/l.npy
cannot_write none --grad old.npy --row-loss none
mkfifo pipe.npy
cannot_write pipe.npy --grad old.npy --row-loss pipe.npy
check "a pipe is a pipe still" test -p pipe.npy
rm pipe.npy
if [ -c /dev/full ]; then
  softmax x.npy t.npy --reference --grad new.npy --row-loss old.npy >/dev/full 2>err
  check "a full stdout is a failure" test $? = 1
  check "of one line" test "$(wc -l <err)" = 1
  check "that leaves nothing" test ! -e new.npy
  check "and spoils nothing" contents old.npy old
fi

# A file may have 8 blocks here; the gradient needs 32, the row losses only one.
# shellcheck disable=SC2046
npy x64.npy f4 '(64, 64)' $(awk 'BEGIN { for (i = 0; i < 4096; i++) print i % 7 }')
# shellcheck disable=SC2046
npy t64.npy i4 '(64,)' $(awk 'BEGIN { for (i = 0; i < 64; i++) print i }')
(
  ulimit -f 8
  softmax x64.npy t64.npy --reference --grad new.npy --row-loss old.npy >out 2>err
)
check "a full disk is a failure" test $? = 1
check "that names the file" grep -q new.npy err
check "that leaves nothing" test "$(find . -name 'new.npy*' | wc -l)" = 0
check "and spoils nothing" contents old.npy old


# What has to be converted takes disk.
(
  ulimit -f 8
  softmax x64.npy t64.npy --reference --dtype f64 --row-loss old.npy >out 2>err
)
check "a full disk for a converted copy is a failure" test $? = 1
check "that names the file: $(cat err)" grep -q '^clloss eval: x64.npy: its copy in another type' err
check "and spoils nothing" contents old.npy old
TMPDIR=$work/no/such softmax x.npy t.npy --reference --dtype f64 --json >out 2>err
check "so is a TMPDIR that isn't there" test $? = 1
check "which is named: $(cat err)" grep -qF "$work/no/such" err

chmod 640 old.npy
ln -s old.npy link.npy
(
  umask 027
  softmax x.npy t.npy --reference --grad link.npy --row-loss fresh.npy >out
)
check "writes where a link points" test -L link.npy
check "the gradient" is 1e-6 old.npy 0.0625 -0.375 0.3125 -0.25 0.25 0
check "with the rights of the file it replaces" test "$(ls -l old.npy | cut -c1-10)" = -rw-r-----
check "or those of a new file" test "$(ls -l fresh.npy | cut -c1-10)" = -rw-r-----
check "and nothing beside" test "$(find . -name '*.npy.*' | wc -l)" = 0

# More rows than fit one batch: 20480, the same five over and over.
# shellcheck disable=SC2046
npy five.npy f4 '(5, 1000)' $(awk 'BEGIN { srand(3); for (i = 0; i < 5000; i++) print 8 * rand() - 4 }')
npy five_t.npy i4 '(5,)' 3 999 0 500 77
softmax five.npy five_t.npy --reference --json --reduction sum --grad five_g.npy >out
field loss >want_sum
# again FILE BYTES: what follows the header of 128 bytes, 4096 times.
again() {
  tail -c +129 "$1" >"$1.part"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    cat "$1.part" "$1.part" >"$1.twice"
    mv "$1.twice" "$1.part"
  done
}
again five.npy
again five_t.npy
again five_g.npy
{
  header "{'descr': '<f4', 'fortran_order': False, 'shape': (20480, 1000), }"
  cat five.npy.part
} >many.npy
{
  header "{'descr': '<i4', 'fortran_order': False, 'shape': (20480,), }"
  cat five_t.npy.part
} >many_t.npy
softmax many.npy many_t.npy --reference --json --reduction sum --grad many_g.npy >out 2>err
check "no progress line outside a terminal" test ! -s err
tail -c +129 many_g.npy >many_g.items
check "batches give each row its gradient" cmp -s many_g.items five_g.npy.part
field loss | awk '{ printf "%.17g\n", $1 / 4096 }' >got
check "and the sum" close_to 1e-9 got want_sum
softmax many.npy many_t.npy --json --grad many_g.npy >out
check "on the device too" field_is 3e-6+3e-6 loss "$(awk '{ printf "%.17g\n", $1 / 5 }' want_sum)"
softmax many.npy many_t.npy --json --reference --grad many_r.npy >out
for end in head tail; do
  { head -c 128 x.npy && "$end" -c 400000 many_g.npy; } >many_end.npy
  values many_end.npy | tail -n 99000 >got
  { head -c 128 x.npy && "$end" -c 400000 many_r.npy; } >many_end.npy
  values many_end.npy | tail -n 99000 >want
  check "and its gradient: $end" close_to 2e-11+4e-6 got want
done

# Memory is bounded, whatever the file's size: of 1.5 GB (of holes) no more is there at once than three parts of 16 MB,
# the rest of this is the driver and its compiler.
if grep -q VmHWM /proc/self/status 2>/dev/null; then
  header "{'descr': '<f4', 'fortran_order': False, 'shape': (375000, 1000), }" >sparse.npy
  header "{'descr': '|u1', 'fortran_order': False, 'shape': (375000,), }" >sparse_t.npy
  dd if=/dev/zero of=sparse.npy bs=1 count=0 seek=1500000128 2>dd.log
  dd if=/dev/zero of=sparse_t.npy bs=1 count=0 seek=375128 2>dd.log
  for engine in --device=0 --reference; do
    "$clloss" eval --loss softmax sparse.npy sparse_t.npy $engine --json >out 2>err &
    job=$!
    peak=0
    while now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$job/status 2>/dev/null) && [ -n "$now" ]; do
      peak=$now
      sleep 0.05
    done
    wait $job
    check "a large file $engine" test $? = 0
    check "costs ln 1000" field_is 3e-6+3e-6 loss 6.9077552789821368
    check "in $peak kB of memory" test "$peak" -lt 500000 -a "$peak" -gt 0
  done
  rm sparse.npy sparse_t.npy
fi

# begin ARGUMENT…: starts that evaluation and waits for its temporary file.
begin() {
  "$clloss" eval --loss softmax many.npy many_t.npy --reference "$@" >out 2>err &
  job=$!
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(find . -name 'late*.npy.*' | wc -l)" = 0 ] || break
    sleep 0.05
  done
}

# A signal in the middle of it takes the temporary files along.
begin --grad late_g.npy --row-loss late_l.npy
kill -TERM $job
wait $job 2>/dev/null
check "a signal ends it" test $? = 143
check "and leaves nothing behind: $(echo late*)" test "$(find . -name 'late*' | wc -l)" = 0

# An input that is cut off while it is read.
cp many.npy cut.npy
"$clloss" eval --loss softmax cut.npy many_t.npy --reference --grad late_g.npy >out 2>err &
job=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ "$(find . -name 'late*.npy.*' | wc -l)" = 0 ] || break
  sleep 0.05
done
: >cut.npy
wait $job
check "a file that is cut off is a failure" test $? = 1
check "of one line that names it: $(cat err)" test "$(grep -c '^clloss eval: cut.npy: has been cut off' err)$(wc -l <err)" = 11
check "and leaves nothing behind: $(echo late*)" test "$(find . -name 'late*' | wc -l)" = 0

# One output can't take its name at the end: the other mustn't have taken its own.
for before in old ""; do
  rm -rf late*
  [ -z "$before" ] || echo old >late_g.npy
  begin --grad late_g.npy --row-loss late_l.npy
  mkdir late_l.npy
  wait $job
  check "a name that is gone is a failure" test $? = 1
  check "that names the file" grep -q '^clloss eval: late_l.npy: ' err
  check "and gives the other back: '$before'" test "$(cat late_g.npy 2>/dev/null)" = "$before"
  check "and leaves nothing behind" test "$(find . -name 'late*.npy.*' | wc -l)" = 0
done

# The devices.
"$clloss" devices >out 2>err
check "devices" test $? = 0
check "numbers them from 0" grep -qE '^ +0  ' out
check "names kernels for 1024 x 32768" grep -q '1024 x 32768' out
check "of a known family" grep -qE '^ +0 .*(lane|group|split)' out
check "and nothing on stderr" test ! -s err

verdict
