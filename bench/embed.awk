# cmake/embed.cmake's work where there is no CMake (bench/gpu.sh): OpenCL sources as one C file on stdout, each with its
# headers in place between #line directives. The test embed_awk holds the two to the same bytes.
#
#   awk -v header=H -v symbol=S [-v type=T -v count=C] -f embed.awk FILE…   from the root, FILE being relative to it
#
# With type and count it makes a table of {name, text, size}, else one text.

function fail(what) {
  print "embed.awk: " what >"/dev/stderr"
  failed = 1
  exit 1
}

# A line as a C string: the characters that end one, escape, or begin a trigraph, escaped.
function quoted(line,   out, i, c) {
  out = ""
  for (i = 1; i <= length(line); i++) {
    c = substr(line, i, 1)
    out = out (c == "\\" || c == "\"" || c == "?" ? "\\" c : c == "\r" ? "\\r" : c)
  }
  return "\"" out "\\n\"\n"
}

# The file's text with its headers in it; depth stops a header that includes itself.
function text(file, depth,   out, line, number, folder, inner) {
  while (sub(/[^\/]+\/\.\.\//, "", file)) {}
  if (depth > 20) fail(file " is included by itself")
  folder = file
  sub(/[^\/]*$/, "", folder)
  out = quoted("#line 1 \"" file "\"")
  number = 0
  while ((got = (getline line <file)) > 0) {
    number++
    if (line !~ /^[ \t]*#[ \t]*include[ \t]*"/) {
      out = out quoted(line)
      continue
    }
    inner = line
    sub(/^[^"]*"/, "", inner)
    if (inner !~ /^[^"]+"[ \t\r]*$/) fail(file ":" number ": #include \"file\" with something behind it")
    sub(/".*/, "", inner)
    out = out text(folder inner, depth + 1) quoted("#line " number + 1 " \"" file "\"")
  }
  if (got < 0) fail("no such file: " file)
  close(file)
  return out
}

BEGIN {
  printf "/* Made by bench/embed.awk from OpenCL C sources: edit those. */\n#include \"%s\"\n\n", header
  rows = ""
  for (k = 1; k < ARGC; k++) {
    name = ARGV[k]
    sub(/.*\//, "", name)
    printf "%s[] =\n%s;\n\n", type ? "static const char source_" k : "const char " symbol, text(ARGV[k], 0)
    rows = rows sprintf("  {\"%s\", source_%d, sizeof source_%d - 1},\n", name, k, k)
  }
  if (type) printf "const %s %s[] = {\n%s};\nconst size_t %s = %d;\n", type, symbol, rows, count, ARGC - 1
  exit failed
}
