#!/bin/sh
# The table of bench/gpu.sh, of lines as the benchmark and its peers print them: figures, figures that weren't taken, a failure.
# Usage: gpu_table.sh SOURCE_DIR CLLOSS
set -eu
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cat >"$made/lines" <<'END'
{"case": "xent_fused", "rows": 32, "classes": 10, "dtype": "f32", "inplace": true, "ms": 0.25, "gbps": 10.2, "scale_ms": 0.2, "copy_ms": null, "read_ms": 0.1, "of_limit": 0.8, "max_err": 1.5e-07, "plan": "group_held/128×4", "over_bound": null, "failed": null}
{"case": "xent_forward", "rows": 32, "classes": 10, "dtype": "bf16", "inplace": false, "ms": null, "of_limit": null, "max_err": null, "plan": "", "failed": "no room, it says"}
{"case": "triton", "rows": 32, "classes": 10, "dtype": "f32", "ms": 0.5, "gbps": 5.1, "plan": "device 0.4 ms", "failed": null}
END
cat >"$made/expected" <<'END'
case                       rows  classes dtype        ms     GB/s of limit  scale ms   copy ms   read ms   max err  plan
xent_fused, in place         32       10 f32      0.2500     10.2     80 %    0.2000         -    0.1000   1.5e-07  group_held/128×4
xent_forward                 32       10 bf16  FAILED: no room, it says
triton                       32       10 f32      0.5000      5.1        -         -         -         -         -  device 0.4 ms
END
awk -f "$1/bench/gpu_table.awk" "$made/lines" >"$made/got"
diff "$made/expected" "$made/got"
# and of a line that the benchmark prints
"$2" bench --json --case xent_forward --classes 10 --size-mb 1 --reps 2 >"$made/lines"
awk -f "$1/bench/gpu_table.awk" "$made/lines" | grep -Eq '^xent_forward +[0-9]+ +10 f32 +[0-9.]+ +[0-9.]+ +[0-9]+ % +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.e-]+ +lane'
