#!/bin/sh
# valgrind.sh BIN: memcheck over the suite; errors, invalid accesses and definite or possible leaks fail it.
set -u
errors=0
for run in "test_values special_values short_functions empty" "memory overlap"; do
    # shellcheck disable=SC2086
    valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible \
        --errors-for-leak-kinds=definite,possible "$1"/$run || { errors=$((errors + 1)); echo "FAIL valgrind: $run"; }
done
echo "FIGURE sum valgrind.errors $errors"
[ $errors -eq 0 ]
