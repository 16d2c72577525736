#!/usr/bin/env bash
# Compares the API document with the one that was last released, that of the last tag v*:
# whatever has changed moves info.version, and what breaks a client of the old one its
# first number.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
cd "$root"

version() { sed -n '1,/^  version: /s/^  version: //p' "$1"; }
major() { version "$1" | cut -d. -f1; }

tag=$(git describe --tags --match 'v*' --abbrev=0 2>/dev/null) || tag=
if [ -z "$tag" ] || ! git cat-file -e "$tag:api/openapi.yaml" 2>/dev/null; then
	echo 'no document has been released: there is nothing that a change could break'
	exit
fi
mkdir -p "$cache"
released=$cache/released.yaml
git show "$tag:api/openapi.yaml" >"$released"
cmp -s "$released" "$document" && exit
[ "$(version "$released")" != "$(version "$document")" ] ||
	die "api/openapi.yaml has changed since $tag: move info.version on from $(version "$released")"
GOBIN=$cache/bin go install github.com/oasdiff/oasdiff@v1.37.0
code=0
"$cache/bin/oasdiff" breaking "$released" "$document" --fail-on ERR || code=$?
[ $code -le 1 ] || die 'the documents cannot be compared'
[ $code -eq 0 ] || [ "$(major "$released")" != "$(major "$document")" ] ||
	die "api/openapi.yaml breaks clients of $tag: take that back, or move the first number of info.version"
