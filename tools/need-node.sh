#!/bin/sh
# Makes sure there are Node and npm, for the OpenFeature SDKs of JavaScript.
set -eu

if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
fi
echo "installing Node"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm </dev/null || true
command -v npm >/dev/null 2>&1 || { echo "npm is missing and could not be installed" >&2; exit 1; }
