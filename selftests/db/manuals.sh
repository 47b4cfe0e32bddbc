#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages say what the programs do: their options, settings and defaults, skep's commands; and what is quoted in them is set as it is meant.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
API=${API:-$programs/skep-api}

said() { python3 selftests/lib/manuals.py "$@" 2>&1; }
for page in docs/man/*.[158]; do equal "${page##*/}: quotes" '' "$(said quotes "$page" </dev/null)"; done
equal 'skepd.8: options' '' "$("$SKEPD" --help | said options docs/man/skepd.8)"
equal 'skep-api.8: options' '' "$("$API" --help | said options docs/man/skep-api.8)"
equal 'skepd.yaml.5: settings' '' "$("$SKEPD" --help | said settings docs/man/skepd.yaml.5)"
equal 'skep-api.yaml.5: settings' '' "$("$API" --help | said settings docs/man/skep-api.yaml.5)"
equal 'skep.1: commands' '' "$("$SKEP" help | said commands docs/man/skep.1)"
