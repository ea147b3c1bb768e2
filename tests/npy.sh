# shellcheck shell=sh
# .npy files made and read with printf, awk and od, for tests that have no NumPy; and a comparison of numbers that NaN
# doesn't slip through. To be sourced.

# octal DESCR VALUE…: the values' bytes, little-endian, as escapes for printf. nan, inf and -inf are known.
octal() {
  awk 'function put(bits, n) { for (; n > 0; n--) { printf "\\%03o", bits % 256; bits = int(bits / 256) } }
    function f4(v,   sign, e, m) {
      if (v == "nan") return 2143289344
      if (v == "inf" || v == "-inf") return 2139095040 + (v == "-inf") * 2147483648
      v += 0
      if (v == 0) return 0
      sign = v < 0; m = sign ? -v : v; e = 127
      while (m >= 2) { m /= 2; e++ }
      while (m < 1) { m *= 2; e-- }
      return sign * 2147483648 + e * 8388608 + int((m - 1) * 8388608 + 0.5)
    }
    BEGIN {
      for (i = 2; i < ARGC; i++) {
        v = ARGV[i]
        if (ARGV[1] == "f4") put(f4(v), 4)
        else if (ARGV[1] == "i4") put(v < 0 ? v + 4294967296 : v, 4)
        else { put(v < 0 ? v + 4294967296 : v, 4); put(v < 0 ? 4294967295 : 0, 4) }
      }
    }' "$@"
}

# header TEXT [VERSION]: the file up to its items. TEXT is padded to 117 bytes.
header() {
  case ${2-1} in
    1) printf '\223NUMPY\001\000\166\000%-117s\n' "$1" ;;
    *) printf "\\223NUMPY\\00$2\\000\\166\\000\\000\\000%-117s\\n" "$1" ;;
  esac
}

# npy FILE DESCR SHAPE VALUE…
npy() {
  file=$1 descr=$2 shape=$3
  shift 3
  {
    header "{'descr': '<$descr', 'fortran_order': False, 'shape': $shape, }"
    # shellcheck disable=SC2059
    printf "$(octal "$descr" "$@")"
  } >"$file"
}

# The numbers of an f4 file that clloss wrote, one per line.
values() { od -An -v -t f4 -j 128 "$1" | tr -s ' ' '\n' | sed '/^$/d; s/^-nan$/nan/'; }

# close_to BOUND FILE FILE: as many lines, each within BOUND, "absolute" or "absolute+relative". What isn't a number
# must be the same text.
close_to() {
  paste "$2" "$3" | awk -v bound="$1" 'function odd(v) { return v !~ /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/ }
    BEGIN { split(bound, b, "+") }
    { good = 0
      if (odd($1) || odd($2)) good = $1 == $2 && $1 != ""
      else { d = $1 - $2; if (d < 0) d = -d; if (d <= b[1] + b[2] * ($2 < 0 ? -$2 : $2)) good = 1 }
      if (!good) { print "line " NR ": " $1 " is not " $2; bad = 1 } }
    END { exit bad || NR == 0 }'
}
