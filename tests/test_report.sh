#!/bin/sh
# What `clloss eval` says about a loss: each number of its report against one worked out by hand, each sentence by a
# model that earns it, for the reference and for a device; and the picture, which appears whole or not at all.
# Usage: test_report.sh CLLOSS
set -u
name=test_report
clloss=$1
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"

# Row 0 has p = 1/8, 2/8, 5/8, target 1; row 1 has 1/2, 1/2, 0, target 0, and predicts it, as the lowest of equals.
ln4=1.3862943611198906 ln2=0.6931471805599453 ln5=1.6094379124341003
npy x.npy f4 '(2, 3)' 0 $ln2 $ln5 0 0 -inf
npy t.npy u1 '(2,)' 1 0
npy w.npy f4 '(3,)' 1 2 4
npy rw.npy f8 '(2,)' 3 1
npy p.npy f4 '(2, 3)' 0.25 0.5 0.25 0.5 0.5 0
for engine in --reference --device=0; do
  for options in "" "--weight w.npy" "--row-weight rw.npy" "--label-smoothing 0.3 --reduction sum" \
    "--z-loss 1 --reduction none"; do
    label="$engine $options"
    # shellcheck disable=SC2086
    softmax x.npy t.npy $engine $options --json --row-loss l.npy >out 2>err
    check "$label: $(cat err)" test $? = 0
    check "$label: perplexity, of the plain loss" field_is 1e-5 perplexity 2.8284271247461903
    check "$label: top5" field_is 0 top5 1
    check "$label: a guess of the frequencies 1/2, 1/2, 0" field_is 1e-6 frequency_baseline $ln2
    check "$label: confidence, (5/8 + 1/2) / 2" field_is 1e-6 confidence 0.5625
    check "$label: calibration, (|0 - 5/8| + |1 - 1/2|) / 2" field_is 1e-6 calibration_error 0.5625
    sed 's/.*"surprising": //; s/[^-.e0-9]\{1,\}/ /g' out | tr ' ' '\n' | grep '[0-9]' >got
    printf '%s\n' 0 1 2 0.625 $ln4 1 0 0 0.5 $ln2 >want
    check "$label: rows, in the order of their losses" close_to 3e-6 got want
  done
  softmax x.npy p.npy $engine --json >out 2>err
  check "distributions $engine: calibration, (|1/4 - 5/8| + |1/2 - 1/2|) / 2" field_is 1e-6 calibration_error 0.1875
  check "frequencies 3/8, 4/8, 1/8" field_is 1e-6 frequency_baseline 0.97431475
  check "the class with the most, the lowest of equals" grep -qF '"row": 0, "target": 1, "predicted": 2' out
done

# Twelve rows: the ten worst, of equals the first; ignored and bad rows and those without a loss are in no list.
# shellcheck disable=SC2046
npy many.npy f4 '(16, 2)' $(for n in 3 1 4 1 5 9 2 6 5 3 5 8 99 99; do echo $n 0; done) nan 0 inf 0
npy many_t.npy i4 '(16,)' 1 1 1 1 1 1 1 1 1 1 1 1 7 -1 0 0
# worst: the rows that the JSON in `out` lists
worst() { sed 's/.*"surprising"//; s/"row": \([0-9]*\)/\n=\1\n/g' out | sed -n 's/^=//p' | tr '\n' ' '; }
for engine in --reference --device=0; do
  softmax many.npy many_t.npy $engine --json --ignore-index -1 >out
  check "the ten worst $engine: $(worst)" test "$(worst)" = "5 11 7 4 8 10 2 0 9 6 "
  softmax many.npy many_t.npy $engine --ignore-index -1 >out
  check "as text too" test "$(sed -n '/surprising/,/^$/p' out | awk 'NR > 2 && NF == 5 { printf "%s ", $1 }')" = \
    "5 11 7 4 8 10 2 0 9 6 "
done
# Parts that the device gets make no difference: rows of 1000 classes, more than 16 MB of them.
header "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 1000), }" >big.npy
dd if=/dev/zero of=big.npy bs=1 count=0 seek=40000128 2>dd.log
{
  header "{'descr': '|u1', 'fortran_order': False, 'shape': (10000,), }"
  head -c 10000 /dev/zero
} >big_t.npy
for engine in --reference --device=0; do
  softmax big.npy big_t.npy $engine --json >out 2>err
  check "many parts $engine" field_is 3e-6 calibration_error 0.999
  check "the first of equals" test "$(worst)" = "0 1 2 3 4 5 6 7 8 9 "
done

# says WORDS ROWS CLASSES TARGETS LOGITS: what the model is told.
says() {
  words=$1 rows=$2 classes=$3 targets=$4 logits=$5
  # shellcheck disable=SC2086
  npy sx.npy f4 "($rows, $classes)" $logits
  # shellcheck disable=SC2086
  npy st.npy i4 "($rows,)" $targets
  for engine in --reference --device=0; do
    softmax sx.npy st.npy $engine --ignore-index -1 >out 2>err
    check "says '$words' $engine, not: $(tail -n 1 out; cat err)" sh -c 'tail -n 1 out | grep -qF -e "$1"' sh "$words"
    softmax sx.npy st.npy $engine --ignore-index -1 --json >json
    check "and as JSON" grep -qF -e "\"reading\": \"$(tail -n 1 out)\"" json
  done
}
# margins CLASSES LIST: rows of logits, each MARGIN@CLASS and 0 elsewhere
margins() {
  for item in $2; do
    awk -v classes="$1" -v margin="${item%@*}" -v at="${item#*@}" \
      'BEGIN { for (c = 0; c < classes; c++) printf "%s ", c == at ? margin : 0 }'
  done
}
says "no row has a target that counts" 2 2 "-1 5" "0 0 0 0"
says "1 of the rows have no loss, as they hold NaN" 2 2 "0 1" "nan 0 1 2"
says "called impossible (a masked class" 2 2 "0 1" "-inf 0 1 2"
says "With one class" 2 1 "0 0" "1 2"
says "Confidently wrong: 75 % of the rows" 4 4 "0 1 2 3" "$(margins 4 '9@0 9@1 9@2 90@0')"
says "right more seldom than chance (0 %)" 4 4 "0 1 2 3" "$(margins 4 '9@1 9@2 9@3 9@0')"
says "Worse than knowing nothing: a uniform guess would cost 1.39 nats" 4 4 "0 1 2 3" "$(margins 4 '9@0 9@2 9@3 9@0')"
says "Has learnt nothing: the loss is that of a uniform guess, ln 4" 4 4 "0 1 2 3" "$(margins 4 '0@0 0@0 0@0 0@0')"
says "how frequent the classes are and nothing else" 4 2 "0 1 0 0" "$(margins 2 '1.0986@0 1.0986@0 1.0986@0 1.0986@0')"
says "always answering the commonest class would be right in 75 %" 4 2 "0 1 0 0" "$(margins 2 '3@0 .1@0 3@0 3@0')"
# .48 and .42 to two classes, .1 to the other eight
says "narrows the choice to about 2.26 of 10" 5 10 "0 1 2 4 5" "$(for at in 0 1 3 5 6; do
  awk -v at=$at 'BEGIN { for (c = 0; c < 10; c++) printf "%s ", c == at ? log(48) : c == (at + 9) % 10 ? log(42) : log(10 / 8) }'
done)"
says "Underconfident: right in 100 %" 4 4 "0 1 2 3" "$(margins 4 '1@0 1@1 1@2 1@3')"
says "Overconfident: sure of" 5 10 "0 1 2 3 4" "$(margins 10 '7@0 7@1 7@2 7@3 7@5')"
says "Good: right in 100 %" 4 4 "0 1 2 3" "$(margins 4 '9@0 9@1 9@2 9@3')"
says "Has learnt something" 5 10 "0 1 2 3 4" "$(margins 10 '3.6@0 3.6@1 3.6@2 3.6@3 3.6@5')"

# The picture. Without gnuplot there is none, and nothing is begun.
echo old >old.npy
mkdir bin
for tool in sh ls wc grep cmp cat rm; do ln -s "$(command -v $tool)" bin/$tool; done
(
  PATH=$work/bin failures=0
  refused 1 "gnuplot draws it, and isn't installed" eval --loss softmax x.npy t.npy --reference --plot a.svg --grad old.npy
  [ $failures = 0 ]
)
check "refuses a plot without gnuplot" test $? = 0
printf '#!/bin/sh\nexit 3\n' >bin/gnuplot
chmod +x bin/gnuplot
(
  PATH=$work/bin failures=0
  refused 1 "a.svg: gnuplot failed" eval --loss softmax x.npy t.npy --reference --plot a.svg --grad old.npy
  [ $failures = 0 ]
)
check "a gnuplot that fails is a failure" test $? = 0
check "and the old file is still there" contents old.npy old

# The rule: a plot appears whole or not at all, and the exit status says which. gnuplot ends with success also where it
# couldn't write all of it; and what comes through more than one pipe's room arrives.
echo old >old.svg
# gnuplot_draws COMMAND: that one's output, after it has read the script.
gnuplot_draws() { printf '#!/bin/sh\ncat >/dev/null\n%s\n' "$1" >bin/gnuplot; }
gnuplot_draws 'echo "<?xml?><svg><path"'
(
  PATH=$work/bin failures=0
  refused 1 "--plot old.svg: " eval --loss softmax x.npy t.npy --reference --plot old.svg --grad old.npy
  [ $failures = 0 ]
)
check "half a picture is a failure, whatever gnuplot says" test $? = 0
check "and the old picture is still there" contents old.svg old
check "and the old gradient" contents old.npy old
gnuplot_draws 'head -c 200000 /dev/zero | tr "\0" " "; echo "</svg>"'
(PATH=$work/bin:$PATH && softmax x.npy t.npy --reference --plot large.svg) >out 2>err
check "a large picture: $(cat err)" test "$?$(wc -c <large.svg)" = 0200007
refused 2 "--plot x.npy: is an input" eval --loss softmax x.npy t.npy --plot x.npy
refused 2 "--plot ./new: is the --grad file too" eval --loss softmax x.npy t.npy --plot ./new --grad new
refused 1 "no/such/a.svg" eval --loss softmax x.npy t.npy --reference --plot no/such/a.svg
if command -v gnuplot >/dev/null; then
  for engine in --reference --device=0; do
    softmax x.npy t.npy $engine --plot a.svg >out 2>err
    check "draws $engine" test $? = 0
    check "without a word" test ! -s err
    check "an SVG, whole" sh -c 'head -n 1 a.svg | grep -q "<?xml" && tail -n 2 a.svg | grep -q "</svg>"'
    for words in "Can its confidence be believed?" "How surprising was what happened?" "calibration error 56" "uniform guess" \
      "2 rows of 3 classes" "$(tail -n 1 out | cut -c 1-40)"; do
      check "with '$words'" grep -qF -e "$words" a.svg
    done
    check "and nothing beside" test "$(find . -name 'a.svg*' | wc -l)" = 1
  done
  softmax many.npy many_t.npy --reference --ignore-index -1 --plot b.svg >out 2>err
  check "draws what has rows without a loss: $(cat err)" test $? = 0
  npy one.npy f4 '(1, 2)' 0 1
  npy one_t.npy i4 '(1,)' 1
  softmax one.npy one_t.npy --reference --plot one.svg >out 2>err
  check "draws a single row: $(cat err)" grep -qF "</svg>" one.svg
  # A file may have 8 blocks here, as on a disk that is full but for them; a picture has tens.
  (
    trap '' XFSZ
    ulimit -f 8
    softmax x.npy t.npy --reference --plot old.svg >out 2>err
  )
  check "a full disk is a failure" test $? = 1
  check "of one line that names the file: $(cat err)" test "$(grep -c '^clloss eval: --plot old.svg: ' err)$(wc -l <err)" = 11
  check "that leaves nothing" test "$(find . -name 'old.svg?*' | wc -l)" = 0
  check "and spoils nothing" contents old.svg old
  npy none.npy f4 '(0, 3)'
  npy none_t.npy i4 '(0,)'
  softmax none.npy none_t.npy --reference --plot c.svg >out 2>err
  check "draws nothing at all: $(cat err)" grep -qF "There is nothing to read" c.svg
fi

verdict
