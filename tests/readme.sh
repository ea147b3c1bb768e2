# The README's C and C++ code are the parts of examples/minimal.c and .cpp between the markers, letter for letter; and those
# programs, built against the installed library, print the right loss and gradient.
# usage: readme.sh README.md EXAMPLES PROGRAMS
set -eu

# shown LANGUAGE FILE: the README's first block in the language is what stands between the file's markers.
shown() {
  block=$(awk -v fence="\`\`\`$1" '$0 == fence {inside = 1; next} inside && /^```$/ {exit} inside' "$readme")
  written=$(awk '/README: end/ {exit} inside; /README: begin/ {inside = 1}' "$2")
  if [ -z "$written" ] || [ "$block" != "$written" ]; then
    echo "the README's first $1 block isn't what stands between the markers of $2"
    exit 1
  fi
}

# right PROGRAM
right() {
  output=$("$1")
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
}

readme=$1
shown c "$2/minimal.c"
shown cpp "$2/minimal.cpp"
right "$3/minimal"
right "$3/minimal_cpp"
