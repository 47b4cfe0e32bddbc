#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The web panel in a real browser, before a real skep-api, agents and machines: panel.mjs is the person.  Screenshots are left in $O_FAST/panel-shots.
cd "$(dirname "$0")/../.." && . selftests/panel/world.sh

shots=$programs/panel-shots
rm -rf "$shots" && mkdir -p "$shots"
panel_up
big 40000 400 big
panel_node selftests/panel/panel.mjs "$token"
rc=$?
grep -hE 'ERROR: |runtime error:' "$work/api/log" && rc=1
trap - EXIT
n_tests=1 n_failed=$rc
finish
