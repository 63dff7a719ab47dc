#!/bin/sh
# Makes sure that e2e/js holds the packages of its lock file, no others and no scripts of theirs run.
set -eu

cd "$(dirname "$0")/../e2e/js"
if [ -e node_modules/.package-lock.json ] && [ node_modules/.package-lock.json -nt package-lock.json ]; then
	exit 0
fi
echo "installing the OpenFeature SDKs of JavaScript"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch node_modules/.package-lock.json
