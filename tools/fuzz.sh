#!/bin/sh
# Runs every fuzz target of the module for the given time each: fuzz.sh 30s
set -eu

go=${GO:-go}
list=$("$go" test -list '^Fuzz' ./...)
echo "$list" | awk '
	/^Fuzz/ { name[n++] = $1 }
	$1 == "ok" { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }
' | while read -r pkg name; do
	echo "== $name in $pkg for $1"
	"$go" test "$pkg" -run '^$' -fuzz "^$name\$" -fuzztime "$1" </dev/null
done
