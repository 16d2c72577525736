# Installs the tools that the document is checked with, once for each version of their lists.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/document
document=$root/api/openapi.yaml
cache=$root/tests/.cache/document

die() {
	echo "$*" >&2
	exit 1
}

npm_tools() { # from package-lock.json; their commands are then on the PATH
	command -v npm >/dev/null || die 'the API document is checked with tools from npm: install Node.js 20 with npm'
	mkdir -p "$cache/npm"
	if ! cmp -s "$here/package-lock.json" "$cache/npm/installed"; then
		cp "$here/package.json" "$here/package-lock.json" "$cache/npm"
		npm ci --prefix "$cache/npm" --ignore-scripts --no-audit --no-fund --loglevel=error
		cp "$here/package-lock.json" "$cache/npm/installed"
	fi
	PATH=$cache/npm/node_modules/.bin:$PATH
}

python_tools() { # from requirements.txt; their modules are then on the PYTHONPATH
	python3 -m pip --version >/dev/null || die 'the API document is checked with tools from PyPI: install Python 3.11 with pip'
	if ! cmp -s "$here/requirements.txt" "$cache/python/installed"; then
		rm -rf "$cache/python"
		python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action=ignore --target "$cache/python" -r "$here/requirements.txt"
		cp "$here/requirements.txt" "$cache/python/installed"
	fi
	export PYTHONPATH=$cache/python
	PATH=$cache/python/bin:$PATH
}
