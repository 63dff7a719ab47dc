# shellcheck shell=sh
# The steps of release.sh that speak to switchback, by its command line. The exit codes are its own.

# role ROLE prints the pool that is live, or idle, now.
role() {
	state=$(switchback --token-file "$TOKEN_FILE" status "$SERVICE" --output json) || return
	printf '%s\n' "$state" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

ready() {
	switchback --token-file "$TOKEN_FILE" wait "$SERVICE" --for ready --timeout "$READY"
}

cutover() {
	switchback --token-file "$TOKEN_FILE" cutover "$SERVICE" --from "$FROM" --to "$TO" --reason "$REASON"
}

few() {
	switchback --token-file "$TOKEN_FILE" flag set "$FLAG" 5 --reason "$REASON"
}

half() {
	switchback --token-file "$TOKEN_FILE" flag set "$FLAG" 50 --reason "$REASON"
}

# judged returns when the checks are proven with the flag on, which takes as long as the traffic needs.
judged() {
	switchback --token-file "$TOKEN_FILE" wait "flag:$FLAG" --for approval --timeout "$JUDGED"
}

nobody() {
	switchback --token-file "$TOKEN_FILE" flag set "$FLAG" none --reason "$REASON failed"
}

rollback() {
	switchback --token-file "$TOKEN_FILE" rollback "$SERVICE" --reason "$REASON failed"
}
