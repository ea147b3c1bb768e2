# bench/gpu.sh's table: clLoss's cases and, behind them, those of others, from their JSON, an object per line.
function value(key, found) {
  if (!match($0, "\"" key "\": (\"[^\"]*\"|[^,}]*)")) return ""
  found = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4)
  gsub(/"/, "", found)
  return found == "null" ? "" : found
}
function ms(key, found) {
  found = value(key)
  return found == "" ? "-" : sprintf("%.4f", found)
}
BEGIN {
  row = "%-22s %8s %8s %-5s %9s %8s %8s %9s %9s %9s %9s  %s\n"
  printf row, "case", "rows", "classes", "dtype", "ms", "GB/s", "of limit", "scale ms", "copy ms", "read ms", "max err", "plan"
}
{
  name = value("case") (value("inplace") == "true" ? ", in place" : "")
  if (value("failed") != "") {
    printf "%-22s %8s %8s %-5s FAILED: %s\n", name, value("rows"), value("classes"), value("dtype"), value("failed")
    next
  }
  limit = value("of_limit")
  printf row, name, value("rows"), value("classes"), value("dtype"), ms("ms"), value("gbps"),
         limit == "" ? "-" : sprintf("%.0f %%", 100 * limit), ms("scale_ms"), ms("copy_ms"), ms("read_ms"),
         value("max_err") == "" ? "-" : value("max_err"), value("plan")
}
