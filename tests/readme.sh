# The README's C code is the part of examples/minimal.c between the markers, letter for letter; and that program, built
# against the installed library, prints the right loss and gradient.
# usage: readme.sh README.md minimal.c MINIMAL
set -eu
shown=$(awk '/^```c$/ {inside = 1; next} inside && /^```$/ {exit} inside' "$1")
written=$(awk '/README: end/ {exit} inside; /README: begin/ {inside = 1}' "$2")
if [ -z "$written" ] || [ "$shown" != "$written" ]; then
  echo "the README's first C block isn't what stands between the markers of $2"
  exit 1
fi

output=$("$3")
printf '%s\n' "$output" | awk '
  function near(what, got, want,   d) {
    d = got - want
    if (got !~ /[0-9]/ || !(d <= 2e-6 && d >= -2e-6)) { print what ": " got ", expected " want; bad = 1 }
  }
  # p − 1 at the target and p elsewhere, over the two rows
  function row(x0, x1, x2, target,   sum) {
    sum = exp(x0) + exp(x1) + exp(x2)
    near("gradient", $2, (exp(x0) / sum - (target == 0)) / 2)
    near("gradient", $3, (exp(x1) / sum - (target == 1)) / 2)
    near("gradient", $4, (exp(x2) / sum - (target == 2)) / 2)
  }
  { print }
  NR == 1 { near("loss", $2, (log(exp(2) + exp(1) + 1) - 2 + log(1 + exp(3) + exp(1)) - 1) / 2) }
  NR == 2 { row(2, 1, 0, 0) }
  NR == 3 { row(0, 3, 1, 2) }
  END { if (NR != 3) print NR " lines, expected 3"; exit bad || NR != 3 }'
