#!/bin/sh
# Makes sure that there are the programs which judge what switchback installs: shells for the completions,
# mandoc for the manual pages, systemd-analyze for the unit. None of them is started as a service.
set -eu

missing=
need() { # program, Debian package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need zsh zsh
need fish fish
need mandoc mandoc
need systemd-analyze systemd
test -e /usr/share/bash-completion/bash_completion || missing="$missing bash-completion"
if [ -z "$missing" ]; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
fi
echo "installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null || true
for program in zsh fish mandoc systemd-analyze; do
	command -v "$program" >/dev/null 2>&1 || { echo "$program is missing and could not be installed" >&2; exit 1; }
done
