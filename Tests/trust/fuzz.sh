#!/bin/sh
# fuzz.sh TARGET [--long ...]: run a fuzz target over its corpus; half a minute, or ten minutes a chunk in the long tier
# (FUZZ_SECONDS sets either).
# The kept corpus (Tests/fuzz/corpus/TARGET) is only read; what is found grows in build/trust/corpus/TARGET.
set -u
target=$1
seconds=${FUZZ_SECONDS:-30}
[ "${2:-}" = --long ] && seconds=${FUZZ_SECONDS:-600}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/build/trust/corpus/$target
mkdir -p "$work" "$root/Tests/fuzz/corpus/$target"
cd "$root/build/trust" || exit 1
log=$root/build/trust/log/fuzz-$target${4:+-$4}.log    # a chunk's own: several may run at once, over one corpus
ASAN_OPTIONS=detect_leaks=1 ./fuzz/"$target" -max_total_time="$seconds" -max_len=200 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="$root/build/trust/crash-$target-" "$work" "$root/Tests/fuzz/corpus/$target" >"$log" 2>&1
status=$?
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
echo "FIGURE sum fuzz.$target.runs ${runs:-0}"
[ $status -eq 0 ] || tail -40 "$log"
exit $status
