#!/bin/sh
# `clloss check`: that a driver that works passes in a minute, with every loss, type and family looked at; that one which
# compiles a kernel wrong, refuses one, or dies of one (layer_spoil.c) is found out and told; and what it refuses.
# Usage: test_check.sh CLLOSS LAYER
set -u
name=test_check
clloss=$1 layer=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli.sh
. "$here/cli.sh"
mkdir none

refused 2 "--device -1" check --device -1
refused 2 "--device 99: the last is" check --device 99
refused 2 --device check --device
refused 2 --seed check --seed 1x
refused 2 "--only mse" check --only mse
refused 2 "--only xent:f8" check --only xent:f8
refused 2 "--only xent:f32:" check --only xent:f32:
refused 2 more check more
refused 2 --fast check --fast
export OCL_ICD_VENDORS="$work/none/"
refused 1 "no OpenCL device" check
"$clloss" check --help >out 2>err
check "help needs no OpenCL" test $? = 0
unset OCL_ICD_VENDORS
for option in --device --full --json --seed --only; do
  check "help explains $option" grep -q -e "^  $option " out
done
check "a JSON that doesn't parse is seen" sh -c '! printf "{\"a\": [1, 2}" | awk -f "$1" 2>/dev/null' sh "$here/json.awk"

# A driver that works. What a minute doesn't reach, where nothing is compiled yet, is no failure, but it is told.
begun=$(date +%s)
"$clloss" check --json --seed 5 >out 2>err
check "passes: $(cat err)" test $? = 0
check "in a minute" test $(($(date +%s) - begun)) -le 60
check "one line" test "$(wc -l <out)" = 1
check "that parses" awk -f "$here/json.awk" <out
check "nothing else" test ! -s err
keys=$(sed 's/"lines": .*"left_out"/"lines": [], "left_out"/; s/"left_out": \[[^]]*\]/"left_out": []/; s/"\([a-z_]*\)": /\n\1\n/g' out |
  grep -E '^[a-z_]+$' | tr '\n' ' ')
check "the keys and their order: $keys" test "$keys" = \
  "device platform driver version seed full lines left_out points failed seconds verdict "
check "the seed" grep -q '"seed": 5, ' out
for loss in xent nll softmax log-softmax distill information cast bce-logits bce kl mse smooth-l1 huber focal; do
  check "$loss in f32" grep -qE "\"loss\": \"$loss\", \"passes\": \"[^\"]+\", \"family\": \"[a-z_]+\", \"dtype\": \"f32\", \"points\": [0-9]+, \"failed\": 0," out
done
for family in lane_rows lane_along lane lane_split; do
  check "xent by $family" grep -q "\"loss\": \"xent\", \"passes\": \"forward backward fused\", \"family\": \"$family\"" out
done
for type in f32 bf16 f16; do check "softmax in $type" grep -q "\"loss\": \"softmax\",[^}]*\"dtype\": \"$type\"" out; done
check "the sentence" grep -q '"verdict": "This device can be trusted' out
if grep -q 'as the minute was over' out; then
  check "and what it couldn't see" grep -q '"verdict": "This device can be trusted with what was reached' out
fi

"$clloss" check --only information:f32:3 --seed 5 >out 2>err
check "one point: $(cat err)" test $? = 0
check "is one" test "$(grep -c '^information  *lane[a-z_]*  *f32  *forward  *1 .* right$' out)" = 1
check "and no verdict on the rest" grep -q '^left out: all that --only' out

# spoilt VARIABLE VALUE ARGUMENT…: on a driver that gets a program wrong. No other layer sees what it compiles.
spoilt() (
  export OPENCL_LAYERS="$layer" "$1=$2"
  shift 2
  "$clloss" check "$@" >out 2>err
)

# The loss of MSE is wrong by 1 %, its gradient isn't: forward and fused are, backward isn't.
square='kernels/pointwise/pointwise.cl:*loss = d * d;:*loss = d * d * (vec)1.01f;'
spoilt CLLOSS_SPOIL "$square" --only pointwise:f32 --seed 5
check "a wrong constant is found" test $? = 1
check "told: $(cat out)" grep -q "can't be trusted: it gets wrong mse forward fused (f32; lane): [0-9]* of [0-9]* points" out
check "beside what is right" grep -q '^huber  *lane .* right$' out
check "with the first failure" grep -q '^FAILED [0-9]* of .* points of mse, lane, f32; the first: pointwise_fused mse 37 x 10' err
again=$(sed -n 's/^  again: clloss check //p' err)
check "and how to repeat it: $again" test -n "$again"
# shellcheck disable=SC2086
spoilt CLLOSS_SPOIL "$square" $again
check "which does" test $? = 1
check "alone" grep -qE '^mse .* 1  .* WRONG: 1$' out
# shellcheck disable=SC2086
"$clloss" check $again >out 2>err
check "where the driver is right so is the point: $(cat err)" test $? = 0

# A program that isn't compiled: points that failed, with what the compiler says; other programs go on.
spoilt CLLOSS_SPOIL 'kernels/information/information.cl:void :spoilt ' --only information:f32 --json
check "a program that can't be built is found" test $? = 1
check "JSON that parses" awk -f "$here/json.awk" <out
check "with the driver's message: $(cat out)" grep -q 'CL_BUILD_PROGRAM_FAILURE.*error: ' out
check "given up" grep -q '"left_out": .*given up after what failed' out

# A driver that dies of a program.
spoilt CLLOSS_CRASH kernels/information/information.cl --only information
check "a crash is found" test $? = 1
check "and told: $(cat out)" grep -qE '^information .* WRONG: [0-9]+, crashed: signal 6$' out
check "in the sentence" grep -q 'it gets wrong information forward (f32 bf16 f16[f0-9 ]*; lane_rows lane): ' out
check "of each family, and each but once" test "$(grep -cE '^FAILED 1 of 1 points of information, lane(_rows)?, f(16|32).*crashed: signal 6$' err)" = 4
check "and what came after it left out" grep -q '^left out: .* points, as their kernels had crashed: information f32' out
spoilt CLLOSS_EXIT kernels/information/information.cl --only information:f32
check "an end without a word is found" test $? = 1
check "and told: $(cat out)" grep -qE '^information  *lane_rows .* WRONG: 1, ended before it was done$' out
spoilt CLLOSS_CRASH kernels/information/information.cl --only softmax:f32
check "what doesn't use that program is right: $(cat out)" test $? = 0
verdict
