#!/bin/sh
# Releases a version: deploy beside the live one, wait until it is healthy, look at it, switch, and only then
# give its feature to users, by percentage, as the numbers allow it.
#
# Without arguments it takes every step, and undoes what it did when one fails. With arguments it takes
# the steps named. It ends with the exit code of the step that failed: 3 refused, 4 rolled back, 5 a person
# holds it, 6 timeout, 7 server unreachable, 8 too little traffic.
set -eu

VERSION=${VERSION:-}                       # what to release: 2.5.0
SERVICE=${SERVICE:-shop}
FLAG=${FLAG:-new-checkout}                 # the feature that comes with it
HOST=${HOST:-shop.example.com}             # the host name that customers use
PREVIEW=${PREVIEW:-http://127.0.0.1:8090}  # the listener that shows the pool that is not live
TOKEN_FILE=${TOKEN_FILE:-/dev/null}        # has the token for the admin API; empty: none is needed
DEPLOY=${DEPLOY:-}                         # command that puts $VERSION into the pool $TO; empty: you do
READY=${READY:-2m}                         # how long targets may take to get healthy
JUDGED=${JUDGED:-30m}                      # how long the numbers may take at each percentage
REASON=${REASON:-release $VERSION}         # what everybody reads in the history
SWITCHBACK_ADMIN=${SWITCHBACK_ADMIN:-http://127.0.0.1:9900}
export SWITCHBACK_ADMIN VERSION FROM TO

case $VERSION in
'' | *[!A-Za-z0-9.+-]*) echo "VERSION is '$VERSION'; it is what to release, such as 2.5.0" >&2; exit 2 ;;
esac

# The steps that speak to switchback: VIA=cli or VIA=curl.
# shellcheck source=cli.sh
. "$(dirname "$0")/${VIA:-cli}.sh"

# pools tells what is live and what gets the new version: before the first step, since a cutover changes it.
pools() {
	FROM=${FROM:-$(role live)}
	TO=${TO:-$(role idle)}
	echo "FROM=$FROM"
	echo "TO=$TO"
}

deploy() {
	if [ -z "$DEPLOY" ]; then
		echo "DEPLOY is empty: start $VERSION in $TO now"
		return
	fi
	sh -c "$DEPLOY"
}

# smoke looks at the new version as customers will, by the production host name.
smoke() {
	for path in / /cart /checkout; do
		answer=$(curl -sS --fail --max-time 10 -H "Host: $HOST" "$PREVIEW$path") || answer='an error'
		case $answer in
		*"\"version\":\"$VERSION\""*) echo "$path is answered by $VERSION" ;;
		*) echo "$path is answered by $answer, not by $VERSION" >&2; return 1 ;;
		esac
	done
}

# undo goes back to what was before. A release that did not get as far as the cutover has nothing to undo:
# a rollback would then undo the release before it.
undo() {
	live=$(role live) || return
	if [ "$live" != "$TO" ]; then
		echo "$live is live, so there is nothing to undo"
		return
	fi
	nobody || echo "look at $FLAG, it may still be on" >&2
	rollback
}

step() {
	echo "== $1"
	"$1"
}

# failed keeps the exit code of the step that failed.
failed() {
	code=$?
	trap - EXIT
	step undo || echo "undo failed; look at $SERVICE and $FLAG" >&2
	exit "$code"
}

release() {
	step pools
	step deploy
	step ready
	step smoke
	trap failed EXIT
	trap 'exit 130' INT
	trap 'exit 143' HUP TERM
	step cutover
	step few
	step judged
	step half
	step judged
	trap - EXIT
	echo "== $VERSION is released, and half of the users have $FLAG"
}

if [ $# -eq 0 ]; then
	release
	exit
fi
[ "$1" = pools ] || pools >/dev/null
for name; do
	"$name"
done
