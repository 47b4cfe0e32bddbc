#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The web panel when not all is well: an agent, the server or the state DB gone, changes at an awkward moment, two people in one browser.  trouble.mjs is the person.
cd "$(dirname "$0")/../.." && . selftests/panel/world.sh

shots=$programs/panel-trouble-shots
rm -rf "$shots" && mkdir -p "$shots"
panel_up
big 2600 1300 long
panel_node selftests/panel/trouble.mjs "$token"
rc=$?
grep -hE 'ERROR: |runtime error:' "$work/api/log" && rc=1
trap - EXIT
n_tests=1 n_failed=$rc
finish
