#!/bin/sh
# Runs every suite and says how each went and how long it took.
#
#     sh Tests/run.sh            the short tier: what every change must pass
#     sh Tests/run.sh long       the long tier: more random points, every float32, hours of fuzzing
#     sh Tests/run.sh short python/correctness c/abi      these suites only
#
# Suites are found, not listed: C programs Tests/c/test_*.c, pytest folders under Tests/c and Tests/python, and the
# promises of Tests/trust.  What each printed is in build/test/.  Needs `make lib examples python` and Tests/setup.sh.
# The last line is "N passed, N failed, N skipped" over all tests; the exit status is 0 if none failed.
set -u
cd "$(dirname "$0")/.."
tier=${1:-short}
case $tier in short | long) ;; *) echo "run.sh: the tier is short or long, not $tier" >&2; exit 2 ;; esac
[ $# -gt 0 ] && shift
wanted=" $* "
[ -e build/lib/libfocalloss.so ] || { echo "run.sh: no build/lib/libfocalloss.so: make lib" >&2; exit 2; }

python=$PWD/.venv/bin/python
logs=$PWD/build/test
mkdir -p "$logs"
unset MAKEFLAGS MFLAGS MAKELEVEL    # under `make test` too, the suites call make as a user does
export FOCALLOSS_TEST_TIER="$tier" FOCALLOSS_LIBRARY="$PWD/build/lib/libfocalloss.so" SWIFT_BACKTRACE=enable=no
passed=0 failed=0 skipped=0 begin=$(date +%s)

# What a log counted: pytest's closing line, the "ok", "FAIL" and "SKIP" lines of a C program, the verdicts on promises.
count() {
    awk '/^(ok|FAIL|SKIP) / { n[$1]++ }
        /^\[[0-9]+\/[0-9]+\] / { n[/DOES NOT HOLD|cannot be built/ ? "FAIL" : "ok"]++ }
        / in [0-9.]+s/ && /[0-9] (passed|failed|skipped|error)/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) n["ok"] += $(i - 1)
                if ($i ~ /^(failed|errors?)/) n["FAIL"] += $(i - 1)
                if ($i ~ /^skipped/) n["SKIP"] += $(i - 1)
            }
        }
        END { print n["ok"] + 0, n["FAIL"] + 0, n["SKIP"] + 0 }' "$1"
}

# step NAME COMMAND...: runs one suite; its output is shown where it failed.
step() {
    name=$1
    shift
    case $wanted in "  " | *" $name "*) ;; *) return ;; esac
    log=$logs/$(echo "$name" | tr / -).log
    start=$(date +%s)
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    set -- $(count "$log")
    [ $status -eq 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1 "$3"
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    printf '%-28s %5d passed %3d failed %4d skipped %6d s\n' "$name" "$1" "$2" "$3" $(($(date +%s) - start))
    [ "$2" -eq 0 ] || { tail -n 60 "$log"; echo "run.sh: $name failed; all it printed: $log"; }
}

# The Python suites on every CPU; those under Tests/c call make, which wants the build to itself.
suite() {
    case $1 in Tests/python/*) jobs="-n $(nproc) --dist worksteal" ;; *) jobs= ;; esac
    (cd "$1" && exec "$python" -m pytest -q -rs -p no:cacheprovider $jobs .)
}

step c/build make -s -f Tests/trust/Makefile suite
for program in Tests/c/test_*.c; do
    [ -e "$program" ] || continue
    name=$(basename "$program" .c)
    step "c/$name" build/trust/bin/"$name" $([ "$tier" = long ] && echo --long)
done
for folder in Tests/c/*/ Tests/python/*/; do
    ls "$folder"test_*.py >/dev/null 2>&1 && step "$(echo "${folder%/}" | cut -d/ -f2-)" suite "$folder"
done
[ -e Tests/trust/promises.toml ] && step trust "$python" Tests/trust/run.py "$tier"

echo "$tier tier: $(($(date +%s) - begin)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
