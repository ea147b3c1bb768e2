#!/bin/sh
# `clloss eval` beyond softmax: negative log-likelihood and each elementwise loss against numbers worked out by hand, for
# the reference and for a device; how weights broadcast; parts; the report of binary cross-entropy; and what is refused.
# Usage: test_elements.sh CLLOSS
set -u
name=test_elements
clloss=$1
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
ln2=0.6931471805599453 ln3=1.0986122886681098 ln4=1.3862943611198906 ln8=2.0794415416798357

# means LABEL KIND LOSS ARGUMENT…: the loss, by both; the report of the device stays in `out`.
means() {
  label="$2: $1" kind=$2 loss=$3
  shift 3
  for engine in --reference --device=0; do
    "$clloss" eval --loss "$kind" "$@" $engine --json >out 2>err
    check "$label, $engine: $(cat err)" test $? = 0
    check "$label, $engine: loss" field_is 1e-7+1e-6 loss "$loss"
  done
}
# results LABEL KIND LOSSES GRADIENT ARGUMENT…: unreduced
results() {
  label="$2: $1" kind=$2 losses=$3 gradient=$4
  shift 4
  for engine in --reference --device=0; do
    "$clloss" eval --loss "$kind" "$@" $engine --row-loss l.npy --grad g.npy --reduction none >out 2>err
    check "$label, $engine: $(cat err)" test $? = 0
    # shellcheck disable=SC2086
    check "$label, $engine: losses" is 1e-7+1e-6 l.npy $losses
    # shellcheck disable=SC2086
    check "$label, $engine: gradient" is 1e-7+1e-6 g.npy $gradient
  done
}

# Log-probabilities are taken as they are.
npy lp.npy f4 '(3, 3)' -$ln8 -$ln4 -$ln2 -3 -2 -1 nan nan nan
npy lt.npy u1 '(3,)' 1 0 9
npy lw.npy f4 '(3,)' 1 2 4
means "mean" nll 2.1931471805599453 lp.npy lt.npy --ignore-index 9
means "class weights" nll 1.9241962407465937 lp.npy lt.npy --ignore-index 9 --weight lw.npy
results "one entry of a row" nll "$ln4 3 0" "0 -1 0 -1 0 0 0 0 0" lp.npy lt.npy --ignore-index 9
check "its report is the loss" test "$("$clloss" eval --loss nll lp.npy lt.npy --reference --json | grep -c perplexity)" = 0

# Two rows of three: differences −1, 2, 0 and 4, −3, 0.5.
npy x.npy f4 '(2, 3)' 1 4 2 5 0 1
npy t.npy f4 '(2, 3)' 2 2 2 1 3 0.5
means "mean" mse 5.041666666666667 x.npy t.npy
means "sum" mse 30.25 x.npy t.npy --reduction sum
means "batchmean" mse 15.125 x.npy t.npy --reduction batchmean
results "none" mse "1 4 0 16 9 0.25" "-2 4 0 8 -6 1" x.npy t.npy
npy u.npy f8 '(2, 3)' -1 0.5 3 1 2 -4
results "upstream" mse "1 4 0 16 9 0.25" "2 2 0 8 -12 -4" x.npy t.npy --upstream u.npy
for engine in --reference --device=0; do
  "$clloss" eval --loss mse x.npy t.npy $engine --grad g.npy --reduction batchmean --dtype f64 --json >out
  check "batchmean's gradient $engine" is 1e-15 g.npy -1 2 0 4 -3 0.5
  check "the report of MSE is the loss" test "$(grep -c perplexity out)" = 0
  check "rows and elements of one" test "$(field rows)$(field classes)$(field ignored)$(field bad_targets)" = 2300
done
npy v.npy f4 '(6,)' 1 4 2 5 0 1
npy vt.npy f4 '(6,)' 2 2 2 1 3 0.5
means "one axis" mse 5.041666666666667 v.npy vt.npy
means "one axis, batchmean" mse 5.041666666666667 v.npy vt.npy --reduction batchmean

# Weights are broadcast as NumPy does it; the mean of MSE is over their sum.
npy w23.npy f4 '(2, 3)' 1 2 3 4 5 6
npy w3.npy f4 '(3,)' 1 2 3
npy w13.npy f8 '(1, 3)' 1 2 3
npy w21.npy f4 '(2, 1)' 1 2
npy w1.npy f2 '(1,)' 2
npy w0.npy f4 '()' 2
results "a weight for each" mse "1 8 0 64 45 1.5" "-2 8 0 32 -30 6" x.npy t.npy --weight w23.npy
means "the mean over their sum" mse 5.690476190476191 x.npy t.npy --weight w23.npy
for w in w3 w13; do
  results "a weight for each column, $w" mse "1 8 0 16 18 0.75" "-2 8 0 8 -12 3" x.npy t.npy --weight $w.npy
  means "and its mean" mse 3.6458333333333335 x.npy t.npy --weight $w.npy
done
results "a weight for each row" mse "1 4 0 32 18 0.5" "-2 4 0 16 -12 2" x.npy t.npy --weight w21.npy
for w in w1 w0; do
  results "one weight, $w" mse "2 8 0 32 18 0.5" "-4 8 0 16 -12 2" x.npy t.npy --weight $w.npy
  means "which divides too" mse 5.041666666666667 x.npy t.npy --weight $w.npy
done
npy d.npy f4 '(2, 2, 2)' 1 2 3 4 5 6 7 8
npy dt.npy f4 '(2, 2, 2)' 0 0 0 0 0 0 0 0
npy dw.npy f4 '(2, 1, 2)' 1 2 3 4
results "an axis in the middle" mse "1 8 9 32 75 144 147 256" "2 8 6 16 30 48 42 64" d.npy dt.npy --weight dw.npy
npy z.npy f4 '(1,)' 0
"$clloss" eval --loss mse x.npy t.npy --weight z.npy --reference --json >out
check "weights of 0: NaN" test "$(field loss_text)" = '"nan"'

# Binary cross-entropy of logits: σ(0) = 1/2, σ(ln 3) = 3/4.
npy b.npy f4 '(2, 2)' 0 $ln3 -$ln3 $ln3
npy bt.npy f4 '(2, 2)' 1 1 1 0
npy bp.npy f4 '(2,)' 3 2
ln43=0.28768207245178085
results "none" bce-logits "$ln2 $ln43 $ln4 $ln4" "-0.5 -0.25 -0.75 0.75" b.npy bt.npy
means "mean" bce-logits 0.9383544938128769 b.npy bt.npy
results "pos_weight is of the last axis" bce-logits "$ln8 0.5753641449035617 4.1588830833596715 $ln4" \
  "-1.5 -0.5 -2.25 0.75" b.npy bt.npy --pos-weight bp.npy
means "a weighted mean is over the elements" bce-logits 1.8767089876257538 b.npy bt.npy --weight w1.npy
means "weights, and the report is of none" bce-logits 8.199983131062960 b.npy bt.npy --weight w1.npy --pos-weight bp.npy \
  --reduction batchmean
for engine in --reference --device=0; do
  for weight in "" "--weight w1.npy --pos-weight bp.npy"; do
    # shellcheck disable=SC2086
    "$clloss" eval --loss bce-logits b.npy bt.npy $weight $engine --json >out
    # predicts 0 (from 1/2), 1, 0, 1 for 1, 1, 1, 0
    for pair in accuracy=0.25 base_rate=0.75 perplexity=2.55577241698509 bits=1.3537593748197112 confidence=0.6875 \
      calibration_error=0.4375 uniform_baseline=$ln2 frequency_baseline=0.5623351446188083 entropy=0.5950381536040925; do
      check "the report, $engine $weight: ${pair%=*}" field_is 1e-7+1e-6 "${pair%=*}" "${pair#*=}"
    done
    check "its first rows" grep -qF '"surprising": [{"row": 2, "target": 1, "predicted": 0,' out
    check "it says" grep -qF '"reading": "Worse than knowing nothing' out
  done
done
npy inf.npy f4 '(4,)' inf -inf inf -inf
npy it.npy f4 '(4,)' 1 0 0 1
results "infinite logits have limits" bce-logits "0 0 inf inf" "0 0 1 -1" inf.npy it.npy
"$clloss" eval --loss bce-logits inf.npy it.npy --json >out
check "which the report knows" grep -qF 'called impossible' out
check "and whose numbers aren't" test "$(field perplexity)$(field loss_text)" = 'null"inf"'
if command -v gnuplot >/dev/null; then
  "$clloss" eval --loss bce-logits b.npy bt.npy --reference --plot b.svg >out
  check "and draws" grep -qF "calibration error 43.8 %" b.svg
fi

# Of probabilities: p = 1/2 and 1/4 of 1 and 0; and 0 of 1, where the logarithm stops, or the input is clipped.
npy q.npy f4 '(3,)' 0.5 0.25 0
npy qt.npy f4 '(3,)' 1 0 1
results "none" bce "$ln2 $ln43 100" "-2 1.3333333333333333 -1e12" q.npy qt.npy
results "clipped" bce "$ln2 $ln43 2.302585092994046" "-2 1.3333333333333333 0" q.npy qt.npy --clip 0.1
"$clloss" eval --loss bce q.npy qt.npy --clip 0.1 --json >out
check "bce: accuracy" field_is 1e-15 accuracy 0.3333333333333333
check "bce: base rate" field_is 1e-15 base_rate 0.6666666666666666
check "bce: confidence, of 1/2, 3/4 and 1" field_is 1e-7 confidence 0.75
check "bce: calibration, 1 of 3/4 is right" field_is 1e-7 calibration_error 0.5833333333333334
check "bce: the mean of clipped losses" field_is 1e-6 bits 1.5789893
npy wrong.npy f4 '(3,)' 0.5 1.25 nan
npy wt.npy f4 '(3,)' 1 0 1
for engine in --reference --device=0; do
  "$clloss" eval --loss bce wrong.npy wt.npy $engine --row-loss l.npy --json >out
  check "bce: what is no probability is counted $engine" test "$(field bad_targets)$(field loss_text)" = '1"nan"'
  check "bce: and is NaN" is 1e-7 l.npy $ln2 nan nan
done

# Kullback and Leibler's divergence of log-probabilities.
npy k.npy f4 '(2, 2)' -$ln4 -$ln2 -1 -2
npy kt.npy f4 '(2, 2)' 0.5 0.25 0 1
npy klt.npy f4 '(2, 2)' -$ln2 -$ln4 -inf 0
results "none" kl "0.34657359027997264 -0.17328679513998632 0 2" "-0.5 -0.25 0 -1" k.npy kt.npy
results "logarithms of targets" kl "0.34657359027997264 -0.17328679513998632 0 2" "-0.5 -0.25 0 -1" k.npy klt.npy --log-target
means "batchmean" kl 1.0866433975699932 k.npy kt.npy --reduction batchmean

# Differences -1, 2, 0, 4, -3 and 1/2 again.
for kind in smooth-l1 huber; do
  results "default" $kind "0.5 1.5 0 3.5 2.5 0.125" "-1 1 0 1 -1 0.5" x.npy t.npy
done
results "beta 2" smooth-l1 "0.25 1 0 3 2 0.0625" "-0.5 1 0 1 -1 0.25" x.npy t.npy --delta 2
results "beta 0" smooth-l1 "1 2 0 4 3 0.5" "-1 1 0 1 -1 1" x.npy t.npy --delta 0
results "delta 2" huber "0.5 2 0 6 4 0.125" "-1 2 0 2 -2 0.5" x.npy t.npy --delta 2
refused 2 "--delta 0: not a finite number above 0" eval --loss huber x.npy t.npy --delta 0

# Focal loss of p = 1/2.
npy f.npy f4 '(2,)' 0 0
npy ft.npy f4 '(2,)' 1 0
results "default" focal "0.043321698784996583 0.12996509635498973" "-0.07457169878499658 0.22371509635498973" f.npy ft.npy
results "binary cross-entropy" focal "$ln2 $ln2" "-0.5 0.5" f.npy ft.npy --gamma 0 --alpha -1
results "alpha 0 is meant" focal "0 $ln2" "0 0.5" f.npy ft.npy --gamma 0 --alpha 0
for option in "--gamma -1" "--alpha 1.5" "--alpha nan"; do
  # shellcheck disable=SC2086
  refused 2 "$option: not a finite number" eval --loss focal f.npy ft.npy $option
done
for option in "--clip 0.5" "--clip -0.1"; do
  # shellcheck disable=SC2086
  refused 2 "$option: not a finite number" eval --loss bce q.npy qt.npy $option
done
refused 2 "--delta -1" eval --loss huber x.npy t.npy --delta -1

# More than one part: a number in the last place; and rows of pos_weight that are longer than a part.
# zeros FILE SHAPE N LAST: N of f4, all 0 but the last
zeros() {
  header "{'descr': '<f4', 'fortran_order': False, 'shape': $2, }" >"$1"
  dd if=/dev/zero of="$1" bs=1 count=0 seek=$((124 + 4 * $3)) 2>dd.log
  # shellcheck disable=SC2059
  printf "$(octal f4 "$4")" >>"$1"
}
zeros big.npy '(5000000, 1)' 5000000 3
zeros bigt.npy '(5000000, 1)' 5000000 0
zeros bigw.npy '(5000000, 1)' 5000000 5
means "two parts" mse 9 big.npy bigt.npy --reduction sum
means "two parts and a weight" mse 45 big.npy bigt.npy --weight bigw.npy --reduction sum
means "two parts and the mean over weights" mse 9 big.npy bigt.npy --weight bigw.npy
zeros long.npy '(2, 4200000)' 8400000 0
zeros longt.npy '(2, 4200000)' 8400000 1
zeros longw.npy '(4200000,)' 4200000 3
for engine in --reference --device=0; do
  "$clloss" eval --loss bce-logits long.npy longt.npy --pos-weight longw.npy $engine --row-loss l.npy --json >out 2>err
  check "a long pos_weight $engine: $(cat err)" test $? = 0
  check "reaches the last element" test "$(tail -c 8 l.npy | od -An -t f4 | awk '{ printf "%.5f %.5f", $1, $2 }')" = "0.69315 2.07944"
  check "and the report" grep -qF '"surprising": [{"row": 0,' out
done
rm big*.npy long*.npy

# Refusals.
npy i.npy i4 '(2, 3)' 0 1 1 0 1 0
npy t3.npy f4 '(3,)' 0 1 1
npy t32.npy f4 '(3, 2)' 0 1 1 0 1 1
npy s.npy f4 '()' 1
# bad FILE REASON KIND ARGUMENT…
bad() {
  culprit=$1 reason=$2 kind=$3
  shift 3
  refused 1 "clloss eval: $culprit: " eval --loss "$kind" "$@" --reference --grad g2.npy
  check "$culprit: not because of '$reason': $(cat err)" grep -qF -e "$reason" err
}
bad i.npy "the target has 'i4' items, not reals" bce-logits x.npy i.npy
bad i.npy "isn't reals" mse i.npy x.npy
bad t3.npy "shape (3,), not (2, 3)" mse x.npy t3.npy
bad s.npy "shape () has no axis" mse s.npy s.npy
bad i.npy "the weight has 'i4' items" mse x.npy t.npy --weight i.npy
bad w21.npy "doesn't broadcast to (3, 2)" mse t32.npy t32.npy --weight w21.npy
bad d.npy "doesn't broadcast to (2, 3)" mse x.npy t.npy --weight d.npy
bad bp.npy "shape (2,), not (3,)" bce-logits x.npy t.npy --pos-weight bp.npy
bad u.npy "shape (2, 3), not (3, 2)" mse t32.npy t32.npy --reduction none --upstream u.npy
bad x.npy "nll is for class indices" nll x.npy x.npy
refused 2 "--upstream: needs --reduction none" eval --loss mse x.npy t.npy --upstream u.npy
refused 2 "--ignore-index: --loss mse doesn't take it" eval --loss mse x.npy t.npy --ignore-index 1
refused 2 "--pos-weight: --loss mse doesn't take it" eval --loss mse x.npy t.npy --pos-weight bp.npy
refused 2 "--log-target: --loss bce-logits doesn't take it" eval --loss bce-logits x.npy t.npy --log-target
refused 2 "--reduction batchmean" eval --loss nll lp.npy lt.npy --reduction batchmean
npy none.npy f4 '(0, 3)'
for engine in --reference --device=0; do
  "$clloss" eval --loss mse none.npy none.npy $engine --json --grad g0.npy >out 2>err
  check "no elements are a result $engine" test "$?$(field rows)$(field loss_text)" = '00"nan"'
  "$clloss" eval --loss bce-logits none.npy none.npy $engine --reduction sum >out 2>err
  check "with nothing to read" sh -c 'tail -n 1 out | grep -qF "nothing to read"'
done

verdict
