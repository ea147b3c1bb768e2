# shellcheck shell=sh
# .npy files made and read with printf, awk and od, for tests that have no NumPy; and a comparison of numbers that NaN
# doesn't slip through. To be sourced.

# octal DESCR VALUE…: the values' bytes, little-endian, as escapes for printf. nan, inf and -inf are known.
octal() {
  awk 'function put(bits, n) { for (; n > 0; n--) { printf "\\%03o", bits % 256; bits = int(bits / 256) } }
    function put_real(v, bytes,   sign, e, m, top, one, fraction) {
      top = bytes == 2 ? 31 : bytes == 4 ? 255 : 2047    # the exponent of inf and NaN
      one = bytes == 2 ? 2 ^ 10 : bytes == 4 ? 2 ^ 23 : 2 ^ 52
      sign = v ~ /^-/
      if (v == "nan") { e = top; fraction = one / 2 }
      else if (v ~ /inf/) { e = top; fraction = 0 }
      else if (v + 0 == 0) { sign = e = fraction = 0 }
      else {
        m = sign ? -v : v + 0; e = (top - 1) / 2
        while (m >= 2) { m /= 2; e++ }
        while (m < 1) { m *= 2; e-- }
        fraction = int((m - 1) * one + 0.5)
      }
      if (bytes == 8) { put(fraction % 2 ^ 32, 4); put((sign * 2048 + e) * 2 ^ 20 + int(fraction / 2 ^ 32), 4) }
      else put((sign * (top + 1) + e) * one + fraction, bytes)
    }
    BEGIN {
      for (i = 2; i < ARGC; i++) {
        v = ARGV[i]
        bytes = substr(ARGV[1], 2)
        if (ARGV[1] ~ /^f/) put_real(v, bytes)
        else if (bytes < 8) put(v < 0 ? v + 2 ^ (8 * bytes) : v, bytes)
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

# npy FILE TYPE SHAPE VALUE…: f2, f4, f8 (normal numbers, 0, inf and nan), u1, i1 … i8.
npy() {
  file=$1 descr=$2 shape=$3
  shift 3
  case $descr in ?1) endian='|' ;; *) endian='<' ;; esac
  {
    header "{'descr': '$endian$descr', 'fortran_order': False, 'shape': $shape, }"
    # shellcheck disable=SC2059
    printf "$(octal "$descr" "$@")"
  } >"$file"
}

# The numbers of an f4 or f8 file that clloss wrote, one per line.
values() { od -An -v -t "$(head -c 128 "$1" | LC_ALL=C sed -n "s/.*'descr': '<\(f[48]\)'.*/\1/p")" -j 128 "$1" | tr -s ' ' '\n' | sed '/^$/d; s/^-nan$/nan/'; }

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
