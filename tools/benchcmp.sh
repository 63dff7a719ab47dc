#!/bin/sh
# Benchmarks a git ref in a worktree of its own and the working tree, and prints the difference:
# benchcmp.sh REF BENCH COUNT PACKAGES
set -eu

go=${GO:-go}
ref=$1 bench=$2 count=$3 pkgs=$4
top=$(git rev-parse --show-toplevel)
tree=$(mktemp -d)
trap 'git -C "$top" worktree remove --force "$tree/base" 2>/dev/null || true; rm -rf "$tree"' EXIT

git -C "$top" worktree add --quiet --detach "$tree/base" "$ref"
measure() { # folder, output file
	# shellcheck disable=SC2086 # packages are several words
	(cd "$1" && "$go" test -run '^$' -bench "$bench" -benchmem -count "$count" $pkgs) >"$2"
}
echo "== $ref"
measure "$tree/base" "$top/base.out"
echo "== working tree"
measure "$top" "$top/new.out"
"$go" -C "$top" tool -modfile=tools/go.mod benchstat "$ref=$top/base.out" "tree=$top/new.out"
