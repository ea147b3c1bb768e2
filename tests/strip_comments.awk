# C without its comments, line for line, so that what a check greps for isn't found in prose. Strings stay.
BEGIN { token = "/[*]|//|\"|'" }
{
  rest = $0
  out = ""
  while (rest != "") {
    if (inside) {
      at = index(rest, "*/")
      if (!at) break
      rest = substr(rest, at + 2)
      inside = 0
      out = out " "
    }
    if (!match(rest, token)) {
      out = out rest
      break
    }
    opener = substr(rest, RSTART, RLENGTH)
    out = out substr(rest, 1, RSTART - 1)
    rest = substr(rest, RSTART)
    if (opener == "//") break
    if (opener == "/*") {
      inside = 1
      rest = substr(rest, 3)
    } else {
      literal = opener == "\"" ? "^\"([^\"\\\\]|\\\\.)*\"?" : "^'([^'\\\\]|\\\\.)*'?"
      match(rest, literal)
      out = out substr(rest, 1, RLENGTH)
      rest = substr(rest, RLENGTH + 1)
    }
  }
  print out
}
