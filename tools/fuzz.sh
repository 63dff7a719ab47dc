#!/bin/sh
# Runs every fuzz target of the packages for the given time each, four at once: fuzz.sh 30s ./proxy/...
# Go before 1.27 may take the end of the time for a failure (https://go.dev/issue/75804); that and nothing else is no
# failure here: what was found leaves a failing input behind.
set -eu

go=${GO:-go}
time=$1
shift
"$go" test -list '^Fuzz' "${@:-./...}" | awk '
	/^Fuzz/ { name[n++] = $1 }
	$1 == "ok" { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }
' | xargs -L 1 -P 4 sh -c '
	if ! out=$("$0" test "$2" -run "^$" -fuzz "^$3\$" -fuzztime "$1" -parallel 1 2>&1 </dev/null); then
		why=$(echo "$out" | sed -n "/^--- FAIL/,\$p" | grep -Ev "^(--- FAIL: $3 |FAIL|exit status 1\$)" || true)
		if [ "$why" != "    context deadline exceeded" ]; then
			echo "$3 in $2 FAILED"; echo "$out"; exit 255
		fi
	fi
	echo "$3 in $2: $(echo "$out" | sed -n "s/^fuzz: elapsed: \(.*\)/\1/p" | tail -1)"
' "$go" "$time"
