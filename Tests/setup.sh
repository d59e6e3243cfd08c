#!/bin/sh
# Installs what tests, demo and benchmark need: Debian packages, then Python packages into .venv.
#
#     sh Tests/setup.sh             everything that the tests need
#     sh Tests/setup.sh demo        only what the demo needs
#
# Tests/requirements/NAME.txt are pip's; NAME-nodeps.txt are installed without what they themselves would pull in;
# NAME-debian.txt, or debian.txt where there is none, are Debian's.
# Quick the second time: a list that has not changed since is not looked at again.
set -eu
cd "$(dirname "$0")/.."
lists="${*:-core demo frameworks boosting trust}"
need() { echo "setup: no $1: $2" >&2; exit 1; }

command -v swiftc >/dev/null ||
    need swiftc "install Swift 6.3 or later from https://www.swift.org/install/linux and put its usr/bin on PATH"

# Debian packages, where this is a Debian.
debian="Tests/requirements/${1:-}-debian.txt"
[ -e "$debian" ] || debian=Tests/requirements/debian.txt
if command -v dpkg-query >/dev/null; then
    missing=
    for package in $(sed 's/#.*//' "$debian"); do
        dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "setup: apt-get install$missing"
        sudo=
        [ "$(id -u)" = 0 ] || sudo=$(command -v sudo) || need "root to install packages with" "su -c 'apt-get install$missing'"
        $sudo apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
    fi
fi
command -v gcc >/dev/null || need gcc "install it with your system's package manager"

# Python packages.
python=$(command -v "${PYTHON:-python3}") || need python3 "apt-get install python3 python3-venv"
[ -x .venv/bin/python ] || "$python" -m venv .venv || need "venv module" "apt-get install python3-venv"
mkdir -p .venv/installed
for name in $lists; do
    for list in "Tests/requirements/$name.txt" "Tests/requirements/$name-nodeps.txt"; do
        stamp=".venv/installed/$(basename "$list")"
        [ -e "$list" ] && ! cmp -s "$list" "$stamp" || continue
        echo "setup: pip install -r $list"
        case $list in *-nodeps.txt) flags=--no-deps ;; *) flags= ;; esac
        .venv/bin/python -m pip install -q --disable-pip-version-check $flags -r "$list"
        cp "$list" "$stamp"
    done
done
