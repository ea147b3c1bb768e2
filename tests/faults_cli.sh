#!/bin/sh
# `clloss check` and `clloss tune` on a driver that fails once: each of OpenCL's calls that they make, or that the library makes
# for them, at its first time, its second and its last. The command ends with 1 and says what was wrong in one sentence; it
# doesn't crash, doesn't claim success, and `tune` leaves no file. What is only a word of the report, or saves the library a
# wait, may go unnoticed. Usage: faults_cli.sh CLLOSS LAYER TEST_FAULTS
set -u
name=faults_cli
clloss=$1 layer=$2 faults=$3
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
export OPENCL_LAYERS="${OPENCL_LAYERS:+$OPENCL_LAYERS:}$layer" CLLOSS_LAYER="$layer"
"$faults" codes >codes
check "there are codes" test -s codes

# calls FILE ARGUMENT…: runs the command and writes down what it calls: name and most calls in one process.
calls() {
  file=$1
  shift
  CLLOSS_LAYER_CALLS=$work/log "$clloss" "$@" >out 2>err
  status=$?
  sort log | uniq -c | awk '$1 > most[$3] { most[$3] = $1 } END { for (name in most) print name, most[name] }' |
    sort >"$file"
  rm -f log
  return $status
}

# each FILE LAST FUNCTION: calls the function with a name, a number and a code for all that a file of calls has; LAST is 1
# where the last time counts as well. A compiler that refuses the library's first program is a case for test_trial.c.
each() {
  while read -r call most; do
    code=$(awk -v call="$call" '$1 == call { print $2 }' codes)
    [ -n "$code" ] || continue
    last=$most
    [ "$2" = 1 ] || last=2
    for nth in $(printf '%s\n' 1 2 "$last" | sort -nu); do
      [ "$nth" -le "$most" ] || continue
      [ "$call" != clBuildProgram ] || [ "$nth" != 1 ] || code=-6
      "$3" "$call" "$nth" "$code"
      count=$((count + 1))
    done
  done <"$1"
}

# Names of the device, its driver and the platform; whether a block of workspace is free; and the devices of platforms behind the
# first, which takes two calls: device 0 is another's.
quiet='^(clGetDeviceInfo:[1-3]|clGetPlatformInfo:[0-9]*|clGetEventInfo:[0-9]*|clGetDeviceIDs:[3-9])$'

check_fails() {
  CLLOSS_LAYER_FAIL=$1:$2:$3 "$clloss" check --only information:f32:3 --seed 5 >out 2>err
  status=$?
  check "check, $1:$2: it happened" grep -q '^layer: ' err
  if [ $status = 0 ]; then
    check "check, $1:$2: claims success" sh -c 'echo "$1" | grep -qE "$2"' sh "$1:$2" "$quiet"
    return
  fi
  check "check, $1:$2: exit status $status" test $status = 1
  check "check, $1:$2: says what: $(cat out err)" grep -qE "can't be (used|trusted): |no OpenCL device" out err
}

tune_fails() {
  CLLOSS_LAYER_FAIL=$1:$2:$3 timeout 60 "$clloss" tune --quick --out tuned.txt >out 2>err
  status=$?
  grep -v '^layer: ' err >said
  check "tune, $1:$2: it happened" grep -q '^layer: ' err
  check "tune, $1:$2: exit status $status" test $status = 1
  check "tune, $1:$2: one sentence: $(cat said)" test "$(wc -l <said)" = 1
  check "tune, $1:$2: of the step: $(cat said)" grep -qE '^clloss tune: .*(CL_[A-Z_]+|unknown status|no OpenCL device|its name)' said
  check "tune, $1:$2: no file" test "$(find . -name 'tuned.txt*' | wc -l)" = 0
}

count=0
calls of_check check --only information:f32:3 --seed 5
check "check passes: $(cat err)" test $? = 0
each of_check 1 check_fails
n_check=$count
# Where nothing fails it takes its time: what comes before its eighth wait is what comes again and again.
CLLOSS_LAYER_FAIL=clFinish:8:-5 calls of_tune tune --quick
check "tune, clFinish:8: $(cat err)" test $? = 1
sed -i /^clGetEventInfo/d of_tune # it would go on to the end
each of_tune 0 tune_fails
echo "check: $n_check faults of $(wc -l <of_check) calls; tune: $((count - n_check)) of $(wc -l <of_tune)"
check "enough of them" test "$n_check" -ge 30 -a $((count - n_check)) -ge 20
verdict
