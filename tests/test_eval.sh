#!/bin/sh
# What the options of `clloss eval` mean: each against numbers worked out by hand, for the reference and for a device;
# the device against the reference for shapes and combinations; and many batches against one.
# Usage: test_eval.sh CLLOSS
set -u
name=test_eval
clloss=$1
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"

# Logits ln 1, ln 2, ln 5 cost ln 8, ln 4 and ln 1.6; two equal ones beside a masked class cost ln 2.
ln4=1.3862943611198906 ln2=0.6931471805599453 ln5=1.6094379124341003
npy x.npy f4 '(2, 3)' 0 $ln2 $ln5 0 0 -inf
npy t.npy u1 '(2,)' 1 0
npy first.npy f4 '(1, 3)' 0 $ln2 $ln5
npy one.npy i2 '(1,)' 1
npy p.npy f8 '(1, 3)' 0.25 0.25 0.5
npy w.npy f4 '(3,)' 1 2 4
npy rw.npy f8 '(2,)' 3 1

# means LABEL LOSS ARGUMENT…: the loss, by the reference and by a device, within 3e-6; its report stays in `out`.
means() {
  label=$1 loss=$2
  shift 2
  for engine in --reference --device=0; do
    softmax "$@" $engine --json >out 2>err
    check "$label, $engine: $(cat err)" test $? = 0
    check "$label, $engine: loss" field_is 3e-6 loss "$loss"
  done
}

means "plain" 1.0397207708399179 x.npy t.npy
# Indices in reals, and what isn't whole.
for type in u2 i1 u4 f2 f4 f8; do
  npy labels.npy $type '(2,)' 1 0
  means "indices in $type" 1.0397207708399179 x.npy labels.npy --targets indices
done
npy wrong.npy f4 '(2,)' 1 0.5
for engine in --reference --device=0; do
  softmax x.npy wrong.npy --targets indices --json $engine >out 2>err
  check "a fraction is no class $engine: $(cat out err)" test "$(field bad_targets)$(field loss_text)" = '1"nan"'
done
means "integers may be said" 1.0397207708399179 x.npy t.npy --targets indices
means "and probabilities" 1.1014357904 first.npy p.npy --targets probabilities

means "smoothing" 1.3639800061 first.npy one.npy --label-smoothing 0.3
check "the perplexity knows nothing of smoothing" field_is 3e-6+3e-6 perplexity 4
means "PyTorch's by name" 1.3639800061 first.npy one.npy --label-smoothing 0.3 --smoothing-formula pytorch
means "Megatron's" 1.3528228286 first.npy one.npy --label-smoothing 0.3 --smoothing-formula=megatron
means "class weights divide too" 1.1552453009332422 x.npy t.npy --weight w.npy
means "class weights, sum" 3.4657359027997265 x.npy t.npy --weight w.npy --reduction sum
means "row weights" 1.2130075659799043 x.npy t.npy --row-weight rw.npy
means "both" 1.2872733353256127 x.npy t.npy --row-weight rw.npy --weight w.npy
means "z-loss has a divisor of its own" 1.3954718079 x.npy t.npy --weight w.npy --z-loss 0.1
check "the perplexity knows nothing of weights and z-loss" field_is 3e-6+3e-6 perplexity 2.8284271247
means "scale" 2.0149030205422647 first.npy one.npy --logit-scale 2
means "a negative scale" 1.2237754316 first.npy one.npy --logit-scale -1
means "softcap" 1.07506496109636 first.npy one.npy --softcap 1
means "a masked class stays masked" 0.8841060708281527 x.npy t.npy --softcap 1
means "probabilities" 1.1014357904 first.npy p.npy
means "probabilities and weights" 2.1530148244713754 first.npy p.npy --weight w.npy
check "the perplexity knows nothing of them" field_is 3e-6+3e-6 perplexity 3.0084824744691145
means "probabilities and smoothing" 1.1645790064305057 first.npy p.npy --label-smoothing 0.3

# 1 + 2⁻⁸ lies between two numbers of bf16, and the even one is 1; f16 holds it.
npy near.npy f8 '(1, 2)' 0 1.00390625
npy zero.npy i8 '(1,)' 0
means "bf16" 1.3132616875182228 near.npy zero.npy --dtype bf16
means "f16" 1.3161188842180722 near.npy zero.npy --dtype f16
npy half.npy f2 '(1, 2)' 0 1.00390625
means "a file of f16" 1.3161188842180722 half.npy zero.npy

# Types of results follow the type that INPUT is stored in.
# type_is WANT FILE
type_is() { [ "$(head -c 128 "$2" | LC_ALL=C sed -n "s/.*'descr': '\(<f.\)'.*/\1/p")" = "$1" ]; }
for stored in "near.npy <f8" "near.npy --dtype=f64 <f8" "near.npy --dtype=f32 <f4" "near.npy --dtype=f16 <f4" \
  "half.npy <f4" "half.npy --dtype=f64 <f8"; do
  for engine in --reference --device=0; do
    # shellcheck disable=SC2086
    softmax ${stored% *} zero.npy $engine --grad g.npy --row-loss l.npy >out 2>err
    check "$stored $engine: $(cat err)" test $? = 0
    check "$stored $engine: the gradient's type" type_is "${stored##* }" g.npy
    check "$stored $engine: the losses' type" type_is "${stored##* }" l.npy
  done
done
softmax near.npy zero.npy --device 0 --json --grad g.npy >out
check "f64 is f64 throughout" field_is 1e-15 loss 1.3161188842180722
check "to its last digits, too" is 2e-16+1e-15 g.npy -0.7318259004548959 0.7318259004548959

# The class axis in the middle: (1, 3, 2, 1) holds the rows of x.npy side by side.
npy mid.npy f4 '(1, 3, 2, 1)' 0 0 $ln2 0 $ln5 -inf
npy mid_t.npy i8 '(1, 2, 1)' 1 0
npy mid_rw.npy f4 '(1, 2, 1)' 3 1
npy mid_p.npy f4 '(1, 3, 2, 1)' 0 1 1 0 0 0
npy mid_u.npy f4 '(1, 2, 1)' -2 3
means "class axis in the middle" 1.2872733316570558 mid.npy mid_t.npy --row-weight mid_rw.npy --weight w.npy
means "and probabilities" 1.2130075659799043 mid.npy mid_p.npy --row-weight mid_rw.npy
for engine in --reference --device=0; do
  softmax mid.npy mid_t.npy --reduction none --upstream mid_u.npy $engine --grad g.npy --row-loss l.npy >out
  check "its gradient $engine" is 1e-6 g.npy -0.25 -1.5 1.5 1.5 -1.25 0
  check "its losses $engine" is 1e-6 l.npy $ln4 $ln2
  check "the gradient's shape" grep -qaF "(1, 3, 2, 1)" g.npy
  check "the losses' shape" grep -qaF "(1, 2, 1)" l.npy
done

# The device against the reference.
# agree LABEL ARGUMENT…
agree() {
  label=$1
  shift
  softmax "$@" --json --grad dg.npy --row-loss dl.npy >device 2>err
  check "$label: the device runs: $(cat err)" test $? = 0
  softmax "$@" --json --reference --grad rg.npy --row-loss rl.npy >reference
  check "$label: the reference runs" test $? = 0
  for key in loss perplexity bits accuracy entropy uniform_baseline normalized; do
    cp device out && field $key >got
    cp reference out && field $key >want
    check "$label: $key" close_to 3e-6+3e-6 got want
  done
  cp device out
  check "$label: names the device" test "$(field device)" != '"reference"' -a -n "$(field device)"
  for kind in l:3e-6+3e-6 g:4e-7+4e-6; do
    values "d${kind%%:*}.npy" >got
    values "r${kind%%:*}.npy" >want
    check "$label: file ${kind%%:*}" close_to "${kind#*:}" got want
  done
}

nan="nan nan nan"
seed=7
for shape in 1x1 1x2 7x10 40x3 3x1000 2x4097; do
  rows=${shape%x*} classes=${shape#*x}
  numbers="BEGIN { srand($seed); for (i = 0; i < $rows * $classes; i++) print 16 * rand() - 8 }"
  # shellcheck disable=SC2046
  npy dx.npy f4 "($rows, $classes)" $(awk "$numbers")
  # shellcheck disable=SC2046
  npy dt.npy i8 "($rows,)" $(awk "BEGIN { srand($seed); for (i = 0; i < $rows; i++) print int($classes * rand()) }")
  # shellcheck disable=SC2046
  npy du.npy f4 "($rows,)" $(awk "BEGIN { srand($seed); for (i = 0; i < $rows; i++) print 6 * rand() - 3 }")
  agree "$shape mean" dx.npy dt.npy
  agree "$shape sum, ignoring 1" dx.npy dt.npy --reduction sum --ignore-index 1
  agree "$shape none, seed $seed" dx.npy dt.npy --reduction none --upstream du.npy
done
# shellcheck disable=SC2086
npy dx.npy f4 '(5, 3)' 0 0.6931471805599453 1.6094379124341003 0 0 -inf $nan 1 2 3 1 inf 1
npy dt.npy i4 '(5,)' 1 2 -100 3 0
agree "masked, ignored, bad and NaN rows" dx.npy dt.npy --ignore-index -100 --reduction sum

# Every option at once, with indices and with probabilities, stored in each type.
seed=11
random() { awk "BEGIN { srand($seed); for (i = 0; i < $1; i++) print $2 }"; }
# shellcheck disable=SC2046
{
  npy dx.npy f4 '(6, 37, 5)' $(random 1110 "16 * rand() - 8")
  npy dt.npy i2 '(6, 5)' $(random 30 "int(37 * rand())")
  npy dp.npy f4 '(6, 37, 5)' $(random 1110 "rand() / 20")
  npy dw.npy f8 '(37,)' $(random 37 "0.5 + rand()")
  npy drw.npy f2 '(6, 5)' $(random 30 "0.5 + rand()")
}
for dtype in f32 f16 bf16 f64; do
  for target in "dt.npy --ignore-index 7" dp.npy; do
    for reduction in mean sum none; do
      # shellcheck disable=SC2086
      agree "$dtype $target $reduction, seed $seed" dx.npy $target --reduction $reduction --dtype $dtype \
        --weight dw.npy --row-weight drw.npy --label-smoothing 0.2 --z-loss 0.01 --softcap 6 --logit-scale 1.5
    done
  done
done

# More rows than one batch has: five rows of three classes 65536 times, as whole items of the first axis, and side by
# side as a part of one.
doubled() { # FILE: 65536 times what follows its header
  tail -c +129 "$1" >part
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    cat part part >twice
    mv twice part
  done
  cat part
}
values_of="0 $ln2 $ln5 0 0 -1 2 1 0 -3 0 3 1 1 1"
# shellcheck disable=SC2086
npy five.npy f4 '(5, 3)' $values_of
npy five_t.npy u1 '(5,)' 1 0 9 2 2
npy five_rw.npy f4 '(5,)' 1 2 1 0.5 3
{
  header "{'descr': '<f4', 'fortran_order': False, 'shape': (327680, 3), }"
  doubled five.npy
} >many.npy
{
  header "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 327680), }"
  for class in 1 2 3; do
    # shellcheck disable=SC2046,SC2086
    npy plane.npy f4 '(5,)' $(echo $values_of | tr ' ' '\n' | awk "NR % 3 == $class % 3")
    doubled plane.npy
  done
} >side.npy
# per_row NAME SHAPE: its targets and row weights
per_row() {
  {
    header "{'descr': '|u1', 'fortran_order': False, 'shape': $2, }"
    doubled five_t.npy
  } >"$1_t.npy"
  {
    header "{'descr': '<f4', 'fortran_order': False, 'shape': $2, }"
    doubled five_rw.npy
  } >"$1_rw.npy"
}
per_row many '(327680,)'
per_row side '(1, 327680)'

# ends FILE N: its first and last numbers.
ends() {
  values "$1" | sed -n "1,$2p" && values "$1" | tail -n "$2"
}

# The mean of weighted losses and that of z-losses have different divisors, which batches know of only together.
options="--ignore-index 9 --weight w.npy --label-smoothing 0.1 --z-loss 0.1 --dtype f64"
for engine in --reference --device=0; do
  for reduction in mean sum; do
    # shellcheck disable=SC2086
    softmax five.npy five_t.npy --row-weight five_rw.npy $options $engine --reduction $reduction --json \
      --grad five_g.npy --row-loss five_l.npy >out
    for key in loss bits accuracy entropy; do field $key; done >want
    for shape in many side; do
      label="batches $shape $reduction $engine"
      # shellcheck disable=SC2086
      softmax $shape.npy ${shape}_t.npy --row-weight ${shape}_rw.npy $options $engine --reduction $reduction --json \
        --grad g.npy --row-loss l.npy >out 2>err
      check "$label" test $? = 0
      check "$label: no progress line outside a terminal" test ! -s err
      check "$label: rows" test "$(field rows)$(field ignored)$(field bad_targets)" = 327680655360
      for key in loss bits accuracy entropy; do field $key; done |
        awk -v of=$reduction 'NR == 1 && of == "sum" { printf "%.17g\n", $1 / 65536; next } { print }' >got
      check "$label: its numbers" close_to 1e-12+1e-12 got want
      ends l.npy 5 >got
      { values five_l.npy && values five_l.npy; } >rows
      check "$label: losses of rows" close_to 1e-14+1e-13 got rows
      ends g.npy 5 | awk -v of=$reduction '{ printf "%.17g\n", of == "mean" ? $1 * 65536 : $1 }' >got
      case $shape in
        many) ends five_g.npy 5 >rows ;;
        side) { values five_g.npy | awk 'NR % 3 == 1' && values five_g.npy | awk 'NR % 3 == 0'; } >rows ;;
      esac
      check "$label: gradient" close_to 1e-14+1e-12 got rows
    done
  done
done

# Compiled kernels are kept: a second run, which compiles nothing, leaves the file as it is, one that finds it damaged puts a good one
# in its place, and no folder to write in is no fault.
cached() { CLLOSS_CACHE_DIR=$1 softmax x.npy t.npy --device 0 --json >out 2>err; }
inode() { ls -i cache/deep/*.programs; }
cached cache/deep
check "cache: a first run: $(cat err)" test $? = 0
check "cache: one file" test "$(find cache -type f | wc -l)" = 1
inode >first_inode
cached cache/deep
check "cache: the same file" test "$(inode)" = "$(cat first_inode)"
check "cache: loss" field_is 3e-6 loss 1.0397207708399179
for damage in 'head -c 1000' 'sed s/clloss/CLLOSS/' 'tr a b' :; do
  file=$(echo cache/deep/*.programs)
  $damage <"$file" >damaged
  cp damaged "$file"
  inode >first_inode
  cached cache/deep
  check "cache: $damage: $(cat err)" test $? = 0
  check "cache: $damage: loss" field_is 3e-6 loss 1.0397207708399179
  check "cache: $damage: nothing is said" test ! -s err
  check "cache: $damage: another file" test "$(inode)" != "$(cat first_inode)"
done
for folder in '' /proc/nowhere x.npy/below /dev/null; do
  cached "$folder"
  check "cache in '$folder': $(cat err)" test $? = 0
  check "cache in '$folder': nothing is said" test ! -s err
done
check "cache: nothing is left beside the file" test "$(find cache -type f | wc -l)" = 1

verdict
