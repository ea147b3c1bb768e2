#!/bin/sh
# No circle of includes among units, a unit being a source with its header: ctx.c and ctx.h are one, so that plan.c may not
# include ctx.h while ctx.h includes plan.h. What is in a circle can't be understood, tested or moved alone.
# Usage: circles.sh SOURCE_DIR
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find host check cli bench tests examples -name '*.[ch]' >"$list"

xargs awk -v files="$(tr '\n' ' ' <"$list")" '
  # Where an include is found: beside the file, else by the folders that the build names. "" for the public headers.
  function found(from, name,   folder, k) {
    folder = from
    sub(/[^\/]*$/, "", folder)
    if ((folder name) in there) return folder name
    for (k = 1; k <= n_roots; k++) if ((roots[k] name) in there) return roots[k] name
    return ""
  }
  function unit(file) { sub(/[.][ch]$/, "", file); return file }
  # Depth first: state 1 is on the path, 2 is done with.
  function visit(u,   to, n, k, v) {
    state[u] = 1
    path[++depth] = u
    n = split(edges[u], to, " ")
    for (k = 1; k <= n; k++) {
      v = to[k]
      if (state[v] == 1) closes(u, v)
      else if (!state[v]) visit(v)
    }
    depth--
    state[u] = 2
  }
  function closes(u, v,   k, text) {
    for (k = depth; path[k] != v; k--) text = " > " path[k] text
    print "circles: " v text " > " v
    bad = 1
  }
  BEGIN {
    n_roots = split("host/ check/ tests/ bench/", roots, " ")
    n = split(files, all, " ")
    for (k = 1; k <= n; k++) there[all[k]] = 1
  }
  FNR == 1 { u = unit(FILENAME); if (!(u in edges)) { edges[u] = ""; order[++n_units] = u } }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    name = $0
    sub(/^[^"]*"/, "", name)
    sub(/".*/, "", name)
    to = found(FILENAME, name)
    if (to != "") n_edges++
    if (to != "" && unit(to) != u) edges[u] = edges[u] " " unit(to)
  }
  END {
    for (k = 1; k <= n_units; k++) if (!state[order[k]]) visit(order[k])
    if (n_edges < 200) { print "circles: only " n_edges + 0 " includes found"; bad = 1 }
    if (!bad) print n_units " units, " n_edges " includes, no circle"
    exit bad
  }' <"$list"
