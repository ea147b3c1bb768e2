# The demo. train_digits learns the digits, gives the same numbers twice, says so when it hasn't learnt, and answers bad
# usage and bad data with one line and the right exit status. why_not_mse and certainty do likewise, and their runs bear
# out what they and the README claim.
# usage: demo.sh PROGRAMS_FOLDER digits.csv.gz WORK_FOLDER
set -u
programs=$1 data=$2 work=$3/demo
rm -rf "$work" && mkdir -p "$work" || exit 1
failed=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# status WANTED_EXIT WANTED_LINES_ON_STDERR PATTERN_THERE ARGUMENTS…
status() {
  wanted=$1 lines=$2 pattern=$3
  shift 3
  "$programs/$program" "$@" >"$work/out" 2>"$work/err"
  got=$?
  [ $got -eq "$wanted" ] || fail "exit $got, expected $wanted: $*"
  [ "$(wc -l <"$work/err")" -eq "$lines" ] || fail "not $lines lines on stderr: $*"
  [ "$lines" -eq 0 ] || grep -q -e "$pattern" "$work/err" || fail "stderr doesn't say '$pattern': $*"
  cat "$work/err"
}

program=train_digits
status 0 0 ''
cat "$work/out"
# One line per epoch, its columns numbers, the time left out of the comparison.
epochs() { awk '/^ *[0-9]+ / {$NF = ""; print}' "$work/out"; }
epochs >"$work/first"
status 0 0 ''
epochs >"$work/second"
[ "$(wc -l <"$work/first")" -eq 30 ] || fail "not a line per epoch"
cmp "$work/first" "$work/second" || fail "the same seed gave other numbers"
status 0 0 '' --seed 2
epochs >"$work/second"
! cmp -s "$work/first" "$work/second" || fail "another seed gave the same numbers"

status 1 0 '' --epochs 1 --hidden 2
grep -q '^not learnt' "$work/out" || fail "two hidden units learnt the digits in an epoch"
status 0 0 '' --help
status 2 1 'epochs' --epochs 0
status 2 1 'hidden' --hidden 12x
status 2 1 'seed' --seed -1
status 2 1 'stray' stray
status 2 1 'nonsense' --nonsense
status 1 1 'device 999' --device 999
status 1 1 'nowhere' --data "$work/nowhere"
head -c 3000 "$data" >"$work/cut.gz"
status 1 1 'cut.gz.*end of file' --data "$work/cut.gz"
gzip -dc "$data" | sed '7s/^0,/17,/' >"$work/wrong"
status 1 1 'wrong: row 7' --data "$work/wrong"
: >"$work/empty"
status 1 1 'empty: too few' --data "$work/empty"

# What --save writes is as long as its header says, and a folder that isn't there is a failure.
status 0 0 '' --epochs 20 --save "$work/held_"
for file in logits:10 targets:1; do
  path=$work/held_${file%:*}.npy
  rows=$(head -n 1 "$path" | LC_ALL=C sed -n "s/.*'shape': (\([0-9]*\),.*/\1/p")
  [ "$(wc -c <"$path")" -eq $((128 + 4 * rows * ${file#*:})) ] || fail "$path: not 128 bytes and $rows rows"
  [ "$rows" -gt 300 ] || fail "$path: $rows rows"
done
status 1 1 'nowhere' --epochs 1 --save "$work/nowhere/held_"

program=why_not_mse
# table TITLE: the rows of the table below the line that begins so.
table() { awk -v title="$1" 'index($0, title) == 1 {on = 1; next} !NF {on = 0} on && $1 ~ /^[0-9]/' "$work/out"; }
# holds WHAT TITLE CONDITION: every cell of the table is a finite number, and the awk condition is true. c[row, field] has
# the cells, fields from 1: of why_not_mse step, then loss, gradient and accuracy of cross-entropy, and of MSE; NR is the
# last row.
holds() {
  table "$2" | tr -d '%' | awk '
    {for (i = 1; i <= NF; i++) if ($i ~ /^[0-9.]+(e[-+]?[0-9]+)?$/) c[NR, i] = $i; else bad = 1}
    END {exit !(NR > 0 && NF >= 7 && !bad && ('"$3"'))}' || fail "not so: $1"
}
plot=$work/plot.svg
if command -v gnuplot >/dev/null; then
  status 0 0 '' --plot "$plot"
  [ "$(grep -c 'gnuplot_plot_' "$plot")" -eq 16 ] || fail "not two curves in each of eight panels"
  [ ! -e "$plot.part" ] || fail "a half-drawn plot is left"
else
  echo "no gnuplot: the plot isn't tested"
  status 0 0 ''
fi
cat "$work/out"
! grep -q "$(printf '[\r\033]')" "$work/out" || fail "a progress bar in a pipe"

unit='Zeros and ones' all='All digits' logits='Logits 0'
holds 'the same start: equal accuracy' "$unit" 'c[1, 4] == c[1, 7] && c[1, 4] < 50'
holds "at the wrong start cross-entropy's gradient is over ten times MSE's" "$unit" 'c[1, 3] > 10 * c[1, 6] && c[1, 6] > 0'
holds 'cross-entropy recovers' "$unit" 'c[NR, 2] < 0.1 && c[NR, 4] >= 95'
holds "MSE stalls: hardly a loss less, wrong as before" "$unit" 'c[NR, 5] > 0.9 * c[1, 5] && c[NR, 7] < 50'
holds 'the same random start' "$all" 'c[1, 4] == c[1, 7] && c[1, 2] > 2 && c[1, 2] < 3'
holds 'cross-entropy learns the digits earlier' "$all" 'c[6, 1] == 20 && c[6, 4] > c[6, 7] + 10'
holds 'both learn them' "$all" 'c[NR, 1] == 200 && c[NR, 4] >= 90 && c[NR, 7] >= 90'
# From 104 on, exp(−margin) is 0 in f32, whatever the device does with denormals.
table "$logits" | awk '
  $1 == 20 {near++; if (!($3 == 20 && $4 == -1 && $7 == 20 && $8 == -1)) bad = 1}
  $1 >= 50 && !($5 == 23.03 && $6 == 0 && $7 == $1 && $8 == -1) {bad = 1}
  $1 > 104 {far++; if ($2 != 0 || $3 != "inf" || $4 != "nan") bad = 1}
  END {exit !(near == 1 && far >= 2 && !bad)}' || fail "-log p against the fused loss, in the table of confident mistakes"
set -- $(table "$unit" | awk 'NR == 1 {print $4, $8} {ce = $4; mse = $8} END {print ce, mse}')
tr '\n' ' ' <"$work/out" | grep -q "accuracy from $1 % to $3 % (.*), and MSE from $2 % to $4 %: " ||
  fail "the paragraph has other numbers than the table"

status 0 0 '' --steps 5
grep -v '^$' "$work/out" >"$work/first"
status 0 0 '' --steps 5
grep -v '^$' "$work/out" | cmp "$work/first" - || fail "the same seed gave other numbers"
status 0 0 '' --steps 5 --seed 2 --wrong 10
! grep -v '^$' "$work/out" | cmp -s "$work/first" - || fail "another seed gave the same numbers"
status 0 0 '' --help
status 2 1 'steps' --steps 0
status 2 1 'wrong' --wrong 81
status 2 1 'stray' stray
status 1 1 'device 999' --device 999
status 1 1 'nowhere' --data "$work/nowhere"

# Fields: step; of the usual formula loss, the loss by clLoss, rows of gradient 0, length of the gradient, accuracy; of
# clLoss loss, rows, length, accuracy. Where the usual formula no longer sees 96 % of the rows, below 2^-24, its loss stays.
program=certainty
if command -v gnuplot >/dev/null; then
  status 0 0 '' --plot "$plot"
  [ "$(grep -c 'gnuplot_plot_' "$plot")" -eq 9 ] || fail "not two curves in each of four panels, and three of loss"
else
  status 0 0 ''
fi
cat "$work/out"
course='at rate 0.01'
grep -q '^64-128-10 after .*: \([0-9]*\) of \1 training digits are right' "$work/out" || fail "the start has digits wrong"
holds 'the same start' "$course" 'c[1, 2] < 0.02 && c[1, 2] - c[1, 7] < 1e-4 && c[1, 7] - c[1, 2] < 1e-4 && c[1, 6] == c[1, 10]'
holds 'the usual formula loses the gradient of nearly all rows' "$course" 'c[1, 4] < 30 && c[NR, 4] > 90'
holds 'and its loss stays where it is' "$course" 'c[NR, 3] > 1e-9 && c[NR, 3] < 1e-7 && c[NR, 3] > c[7, 3] / 2'
holds 'it has less loss than there is' "$course" 'c[NR, 2] < 0.9 * c[NR, 3]'
holds "clLoss's goes on" "$course" 'c[NR, 1] == 400 && c[NR, 7] < 1e-12 && c[NR, 7] > 0 && c[NR, 9] < 1e-11 && c[NR, 9] > 0'
holds 'and its rows have a gradient where those of the usual formula have lost it' "$course" \
  'c[7, 1] == 240 && c[7, 4] > 90 && c[7, 8] < 1 && c[NR, 8] < 50'
holds 'neither is better at what was held out' "$course" \
  'c[NR, 6] > 90 && c[NR, 10] > 90 && c[NR, 6] - c[NR, 10] < 2 && c[NR, 10] - c[NR, 6] < 2'

status 0 0 '' --steps 5
cp "$work/out" "$work/first"
status 0 0 '' --steps 5
cmp "$work/first" "$work/out" || fail "the same seed gave other numbers"
status 0 0 '' --steps 5 --seed 2
! cmp -s "$work/first" "$work/out" || fail "another seed gave the same numbers"
status 0 0 '' --help
status 2 1 'steps' --steps 0
status 2 1 'stray' stray
status 1 1 'device 999' --device 999
status 1 1 'nowhere' --data "$work/nowhere"

mkdir "$work/no_path"
for program in why_not_mse certainty; do
  (PATH=$work/no_path && "$programs/$program" --plot "$plot") 2>"$work/err" && fail "a plot without gnuplot"
  grep -q "$program: --plot: gnuplot isn't installed" "$work/err" || fail "it doesn't say that gnuplot isn't installed"
  command -v gnuplot >/dev/null || continue
  "$programs/$program" --steps 1 --plot "$work/nowhere/plot.svg" >"$work/out" 2>"$work/err" && fail "a plot into nowhere"
  tail -n 1 "$work/err" | grep -q 'nowhere/plot.svg: gnuplot failed' || fail "a plot into nowhere isn't named"
  [ ! -e "$plot.part" ] || fail "a half-drawn plot is left"
done
exit $failed
