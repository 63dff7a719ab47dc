# shellcheck shell=sh
# The steps of release.sh that speak to switchback, for machines that have nothing but sh, sed, grep and curl.
# They end with the exit codes of the command line.

case $REASON in
*[\"\\]*) echo "REASON has a quote or a backslash, which would break the JSON" >&2; exit 2 ;;
esac

# call METHOD PATH [BODY] prints the answer. What went wrong is told, with the exit code that switchback has
# for it. The token goes by standard input: arguments can be read by everybody on the machine.
call() {
	answer=$(token | curl -K - -sS --max-time 60 -X "$1" -H 'Content-Type: application/json' \
		${3:+--data "$3"} -w ' %{http_code}' "$SWITCHBACK_ADMIN$2") || return 7
	status=${answer##* }
	answer=${answer% *}
	case $status in
	2??) printf '%s' "$answer"; return ;;
	esac
	printf '%s %s: %s\n' "$1" "$2" "$answer" >&2
	case $status in
	400) return 2 ;;
	409 | 412 | 422) return 3 ;;
	esac
	return 1
}

token() {
	if [ -s "$TOKEN_FILE" ]; then
		printf 'header = "Authorization: Bearer %s"\n' "$(cat "$TOKEN_FILE")"
	fi
}

# field NAME prints a text of the JSON on standard input.
field() {
	sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# later TIME prints when 90s, 2m or 1h will have passed.
later() {
	case $1 in
	*h) echo $(($(date +%s) + ${1%h} * 3600)) ;;
	*m) echo $(($(date +%s) + ${1%m} * 60)) ;;
	*) echo $(($(date +%s) + ${1%s})) ;;
	esac
}

role() {
	state=$(call GET "/v1/services/$SERVICE") || return
	printf '%s\n' "$state" | field "$1"
}

# ready counts the targets of the pool that are up, and those that are not.
ready() {
	end=$(later "$READY")
	while :; do
		metrics=$(call GET /metrics)
		up=$(targets 1)
		down=$(targets 0)
		[ "$up" -eq 0 ] || [ "$down" -ne 0 ] || break
		if [ "$(date +%s)" -ge "$end" ]; then
			echo "$TO has $up of $((up + down)) targets up, after $READY" >&2
			return 6
		fi
		sleep 1
	done
	echo "$TO has $up of $up targets up"
}

targets() {
	printf '%s\n' "$metrics" | grep -c "^switchback_target_up{pool=\"$TO\",service=\"$SERVICE\",.*} $1\$" || :
}

cutover() {
	call POST "/v1/services/$SERVICE/cutover" '{"from": "'"$FROM"'", "to": "'"$TO"'", "reason": "'"$REASON"'"}'
}

few() {
	share 5
}

half() {
	share 50
}

# share PERCENT gives the flag to so many users. A killed flag stays killed, whatever its percentage.
share() {
	change=$(call POST "/api/flags/$FLAG" '{"strategy": "percentage", "value": '"$1"', "reason": "'"$REASON"'"}')
	printf '%s\n' "$change"
	case $change in
	*'"killed":null'*) ;;
	*) echo "$FLAG is killed" >&2; return 5 ;;
	esac
}

# judged asks until the checks are proven with the flag on. A server that is away for a moment is waited for.
judged() {
	end=$(later "$JUDGED")
	while :; do
		if state=$(call GET "/v1/services/flag:$FLAG"); then
			case $(printf '%s\n' "$state" | field phase)/$(printf '%s\n' "$state" | field awaits) in
			stepping/approval) sentence; return ;;
			stepping/ | baking/) code=6 ;;
			stepping/data) code=8 ;;
			*/resume) code=5 ;;
			rolled_back/*) code=4 ;;
			*) code=3 ;;
			esac
		else
			code=$?
		fi
		case $code in
		6 | 7) [ "$(date +%s)" -lt "$end" ] || break ;;
		*) break ;;
		esac
		sleep 2
	done
	sentence >&2
	return "$code"
}

# sentence says where the rollout is: what it waits for, and the last decision with its numbers.
sentence() {
	printf '%s\n' "$state" | sed -n 's/.*"waiting":"\([^"]*\)","sentence":"\([^"]*\)".*/\2 (waits for: \1)/; s/ (waits for: )$//; /^[^{]/p'
}

nobody() {
	call POST "/api/flags/$FLAG" '{"strategy": "none", "reason": "'"$REASON failed"'"}'
}

rollback() {
	call POST "/v1/services/$SERVICE/rollback" '{"reason": "'"$REASON failed"'"}'
}
