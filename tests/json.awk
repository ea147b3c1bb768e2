# Whether standard input is one JSON value, and nothing else: exit status 0. What is wrong goes to stderr.
# Usage: awk -f json.awk <FILE

function bad(what) {
  if (!failed) print "json: " what " at '" substr(text, at, 40) "'" >"/dev/stderr"
  failed = 1
  return 0
}
function skip() { while (substr(text, at, 1) ~ /^[ \t\n\r]$/) at++ }
function take(c) {
  skip()
  if (substr(text, at, 1) != c) return 0
  at++
  return 1
}
function string(   c) {
  if (!take("\"")) return bad("no string")
  while ((c = substr(text, at, 1)) != "\"") {
    if (c == "" || c ~ /[[:cntrl:]]/) return bad("a string that doesn't end")
    if (c == "\\") {
      if (substr(text, at) !~ /^\\(["\\\/bfnrt]|u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])/) return bad("an escape")
      at++
    }
    at++
  }
  at++
  return 1
}
# The members of an object, or the elements of an array, up to the closing bracket.
function list(last, named) {
  if (take(last)) return 1
  do {
    skip()
    if (named && (!string() || !take(":"))) return bad("no member")
    if (!value()) return 0
  } while (take(","))
  return take(last) ? 1 : bad("no " last)
}
function value() {
  skip()
  if (take("{")) return list("}", 1)
  if (take("[")) return list("]", 0)
  if (substr(text, at, 1) == "\"") return string()
  if (!match(substr(text, at), /^(true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?)/)) return bad("no value")
  at += RLENGTH
  return 1
}
{ text = text $0 "\n" }
END {
  at = 1
  if (value()) {
    skip()
    if (at <= length(text)) bad("more than one value")
  }
  exit failed
}
